// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "interposer.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "agreement.hpp"
#include "derived_ids.hpp"
#include "log.hpp"

namespace blink::preload {

interposer::group& interposer::current() {
    thread_local group g;
    return g;
}

nccl::result interposer::collective(const collective_call& asked) {
    const std::shared_ptr<clique> c = known_.find(asked.comm);
    if (c == nullptr) { return beneath_.collective(asked); }
    collective_call call = asked;
    if (reduces(call.kind) && call.op >= nccl::operation_count) { call.factor = operators_.find(call.comm, call.op); }
    if (const std::string wrong = c->trouble(); !wrong.empty()) { return noted(nccl::remote_error, wrong); }
    const bool has_ends = call.kind == call_kind::send_recv;
    // Of other processes' sends and receives only the two ends know, and Blink's kernels need all ranks.
    if (has_ends && !c->is_whole()) { return beneath_.collective(call); }
    group& g = current();
    std::string why = g.depth == 0 && c->is_whole() ? "one rank's call outside a group" : not_carried(call);
    if (why.empty() && (has_ends || is_rooted(call.kind)) &&
        (call.root < 0 || call.root >= static_cast<int>(c->size()))) {
        why = "unknown root";
    }
    const bool decided = std::ranges::find(g.left_to_nccl, c) != g.left_to_nccl.end();
    if (why.empty() && !decided && g.depth == 0) {
        const answer a = c->offer(std::span(&call, 1));
        return a.taken ? noted(a.status, a.reason) : give_to_nccl(*c, call);
    }
    if (why.empty() && !decided) {
        if (g.queued.empty()) {
            g.only = c;
        } else if (g.only != c || has_ends != (g.queued.front().kind == call_kind::send_recv)) {
            g.only = nullptr;
        }
        g.queued.push_back(call);
        return nccl::success;
    }
    if (!why.empty()) { c->tell_forwarded(call, why); }
    if (g.depth > 0) { leave_to_nccl(c); }
    return give_to_nccl(*c, call);
}

nccl::result interposer::give_to_nccl(clique& c, const collective_call& call) {
    const nccl::result status = beneath_.collective(call);
    if (status == nccl::success) {
        c.gave_to_nccl(call);
    } else {
        (void)noted(status, {}); // NCCL knows more about this one
    }
    return status;
}

void interposer::leave_to_nccl(const std::shared_ptr<clique>& c) {
    group& g = current();
    if (std::ranges::find(g.left_to_nccl, c) != g.left_to_nccl.end()) { return; }
    g.left_to_nccl.push_back(c);
    (void)issue_queued(c.get()); // what fails here fails the group, and its end says so
}

nccl::result interposer::issue_queued(const clique* only) {
    group& g = current();
    nccl::result worst = nccl::success;
    std::erase_if(g.queued, [&](const collective_call& call) {
        if (only != nullptr && std::ranges::find(only->ranks(), call.comm) == only->ranks().end()) { return false; }
        const std::shared_ptr<clique> c = known_.find(call.comm);
        const nccl::result status = c == nullptr ? beneath_.collective(call) : give_to_nccl(*c, call);
        if (worst == nccl::success) { worst = status; }
        return true;
    });
    return worst;
}

nccl::result interposer::create_premul_sum(nccl::operation* op, const void* scalar, nccl::data_type type,
                                           nccl::scalar_residence where, nccl::communicator* comm,
                                           const forward& to_nccl) {
    const nccl::result status = to_nccl();
    if (status == nccl::success && op != nullptr) { operators_.add(comm, *op, scalar, type, where); }
    return status;
}

nccl::result interposer::destroy_operator(nccl::operation op, nccl::communicator* comm, const forward& to_nccl) {
    operators_.remove(comm, op); // before NCCL may give its number to another one
    return to_nccl();
}

nccl::result interposer::group_start() {
    const nccl::result status = beneath_.group_start();
    if (status == nccl::success) { ++current().depth; }
    return status;
}

nccl::result interposer::group_end() {
    return outermost_end([this] { return beneath_.group_end(); }, false);
}

nccl::result interposer::group_simulate_end(const forward& to_nccl) { return outermost_end(to_nccl, true); }

nccl::result interposer::outermost_end(const forward& to_nccl, bool simulated) {
    group& g = current();
    if (g.depth != 1) {
        g.depth = std::max(0, g.depth - 1);
        return to_nccl();
    }
    // Blink's kernels go first: they wait for nothing but one another, whereas a send of this group may wait for a
    // receive of the next one.
    const nccl::result own = simulated ? nccl::success : offer_queued();
    const nccl::result issued = issue_queued(nullptr);
    const nccl::result ended = to_nccl();
    const std::vector<promised> inits = std::exchange(g.inits, {});
    g.depth = 0;
    g.queued.clear(); // but for its memory, which the next group needs again
    g.left_to_nccl.clear();
    g.only.reset();
    if (ended == nccl::success && !simulated) {
        adopt(inits);
    } else {
        dismiss(inits);
    }
    if (own != nccl::success) { return own; }
    return ended == nccl::success ? issued : ended;
}

nccl::result interposer::offer_queued() {
    group& g = current();
    nccl::result own = nccl::success;
    const auto takes = [&](clique& c, std::span<const collective_call> calls) {
        const answer a = c.offer(calls);
        if (a.taken && own == nccl::success) { own = noted(a.status, a.reason); }
        return a.taken;
    };
    if (g.queued.empty()) { return own; }
    if (g.only != nullptr) {
        if (takes(*g.only, g.queued)) { g.queued.clear(); }
        return own;
    }
    std::vector<std::shared_ptr<clique>> involved;
    for (const collective_call& call : g.queued) {
        const std::shared_ptr<clique> c = known_.find(call.comm);
        if (c != nullptr && std::ranges::find(involved, c) == involved.end()) { involved.push_back(c); }
    }
    for (const std::shared_ptr<clique>& c : involved) {
        // The one may be Blink's without the other: the ends of a send are few, and may be in several groups.
        for (const bool has_ends : {false, true}) {
            const auto is_meant = [&](const collective_call& call) {
                return (call.kind == call_kind::send_recv) == has_ends &&
                       std::ranges::find(c->ranks(), call.comm) != c->ranks().end();
            };
            std::vector<collective_call> calls;
            std::ranges::copy_if(g.queued, std::back_inserter(calls), is_meant);
            if (!calls.empty() && takes(*c, calls)) { std::erase_if(g.queued, is_meant); }
        }
    }
    return own;
}

nccl::result interposer::init_all(nccl::communicator** comms, int count, const forward& to_nccl) {
    return promise({comms, count, all_ranks, {}, true}, to_nccl);
}

nccl::result interposer::init_rank(nccl::communicator** comm, int ranks, const nccl::unique_id& id, int rank,
                                   bool blocking, const forward& to_nccl) {
    if (!blocking) { return to_nccl(); }
    return promise({comm, ranks, rank, id}, to_nccl);
}

nccl::result interposer::split(nccl::communicator* comm, int color, nccl::communicator** created, bool blocking,
                               const forward& to_nccl) {
    const std::shared_ptr<clique> parent = known_.find(comm);
    if (parent == nullptr) { return to_nccl(); }
    return promise_child(*parent, parent->children().of_split(comm, color), created, blocking, to_nccl);
}

nccl::result interposer::shrink(nccl::communicator* comm, std::span<const int> excluded, bool aborts,
                                nccl::communicator** created, bool blocking, const forward& to_nccl) {
    const std::shared_ptr<clique> parent = known_.find(comm);
    if (parent == nullptr || excluded.empty()) { return to_nccl(); }
    if (aborts) {
        if (current().depth > 0) { leave_to_nccl(parent); }
        parent->abort();
    }
    const nccl::unique_id id = parent->children().of_shrink(comm, {excluded.begin(), excluded.end()});
    return promise_child(*parent, id, created, blocking, to_nccl);
}

nccl::result interposer::promise_child(const clique& parent, const nccl::unique_id& id, nccl::communicator** created,
                                       bool blocking, const forward& to_nccl) {
    if (!blocking || created == nullptr) { return to_nccl(); }
    return promise({created, unknown, 0, id, parent.is_whole()}, to_nccl);
}

nccl::result interposer::promise(const promised& p, const forward& to_nccl) {
    if (p.rank != all_ranks) { known_.arriving(p.id); }
    const nccl::result status = to_nccl();
    if (status != nccl::success) {
        dismiss({p});
    } else if (current().depth > 0) {
        current().inits.push_back(p);
    } else {
        adopt({p});
    }
    return status;
}

void interposer::dismiss(const std::vector<promised>& promises) {
    for (const promised& p : promises) {
        if (p.rank != all_ranks) { (void)known_.settled(p.id); }
    }
}

void interposer::adopt(std::vector<promised> promises) {
    // What waits for other processes waits at the same time: their groups may have another order, and two ranks of one
    // communicator in this thread wait for each other.
    std::vector<std::thread> waiting;
    for (promised& p : promises) {
        const int came = p.rank == all_ranks ? p.ranks : known_.settled(p.id);
        if (p.ranks == unknown &&
            (*p.where == nullptr || beneath_.place(*p.where, &p.ranks, &p.rank) != nccl::success)) {
            continue;
        }
        // A single rank has nothing to say to others; with Blink switched off nothing needs to be known.
        if (p.ranks < 2 || std::ranges::find(chosen_.disabled, false) == chosen_.disabled.end()) { continue; }
        if (came == p.ranks || p.is_here || make_for_process_ == nullptr || chosen_.several_machines) {
            adopt_here(p);
        } else if (promises.size() == 1) {
            adopt_process(p);
        } else {
            waiting.emplace_back([this, &p] { adopt_process(p); });
        }
    }
    for (std::thread& t : waiting) { t.join(); }
}

void interposer::adopt_here(const promised& p) {
    try {
        std::vector<nccl::communicator*> ranks;
        if (p.rank == all_ranks) {
            ranks.assign(p.where, p.where + p.ranks);
        } else {
            ranks = known_.joined(p.id, p.ranks, p.rank, *p.where);
        }
        std::vector<int> devices;
        for (nccl::communicator* const comm : ranks) {
            int device = 0;
            if (comm == nullptr || beneath_.device(comm, &device) != nccl::success) { return; }
            devices.push_back(device);
        }
        if (devices.empty() || std::set<int>(devices.begin(), devices.end()).size() != devices.size()) { return; }
        const std::size_t size = ranks.size();
        known_.add(std::make_shared<clique>(std::move(ranks), size, make_(devices, chosen_), chosen_, new_id_here()));
    } catch (const std::exception& e) { log::problem(std::string("a communicator is left to NCCL: ") + e.what()); }
}

void interposer::adopt_process(const promised& p) {
    try {
        process_place at{p.rank, p.ranks, 0, rendezvous_address(p.id, chosen_)};
        if (*p.where == nullptr || beneath_.device(*p.where, &at.device) != nccl::success) { return; }
        const auto c = std::make_shared<clique>(std::vector{*p.where}, static_cast<std::size_t>(p.ranks),
                                                agree(at, chosen_, make_for_process_), chosen_, p.id);
        known_.add(c);
    } catch (const std::exception& e) {
        log::info("rank " + std::to_string(p.rank) + " of a communicator of " + std::to_string(p.ranks) +
                  " processes goes to NCCL: " + e.what());
    }
}

nccl::result interposer::end(nccl::communicator* comm, ending how, const forward& to_nccl) {
    const std::shared_ptr<clique> c = known_.find(comm);
    if (c != nullptr) {
        if (current().depth > 0) { leave_to_nccl(c); }
        if (how == ending::finalize || how == ending::destroy) {
            c->finish();
        } else {
            c->abort();
        }
    }
    if (how == ending::destroy || how == ending::abort) {
        known_.remove(comm);
        operators_.remove(comm);
    }
    return to_nccl();
}

nccl::result interposer::async_error(nccl::communicator* comm, nccl::result* error, const forward& to_nccl) {
    const nccl::result status = to_nccl();
    if (status == nccl::success && error != nullptr && *error == nccl::success) {
        if (const std::string wrong = trouble(comm); !wrong.empty()) { *error = noted(nccl::remote_error, wrong); }
    }
    return status;
}

std::string interposer::trouble(nccl::communicator* comm) const {
    const std::shared_ptr<clique> c = known_.find(comm);
    return c == nullptr ? std::string() : c->trouble();
}

nccl::result interposer::noted(nccl::result status, const std::string& why) {
    if (status != nccl::success) {
        const std::lock_guard lock(last_guard_);
        last_error_ = why;
    }
    return status;
}

std::string interposer::last_error(nccl::communicator* comm) const {
    std::string own = trouble(comm);
    if (!own.empty()) { return own; }
    const std::lock_guard lock(last_guard_);
    return last_error_;
}

} // namespace blink::preload
