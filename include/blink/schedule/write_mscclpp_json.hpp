// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Writes a schedule as an execution plan of MSCCL++ (the JSON that its executor reads).
///
/// Going up, a rank reads the partial results of its children from their memory and combines them with its own
/// contribution (`rre`), then tells its parent; going down, it puts the result into the output of its children (`put`)
/// and tells them. So nothing is staged, and scratch space is needed only for the partial results of a reduce-scatter.
/// A rank has a thread block for each phase of a lane, and one for both at a root with up to eight children (`rres`); a
/// pipeline in it passes `slice_bytes` at a time. Nobody writes into the memory of a rank before that rank's call has
/// begun, nor lets its call end while another still reads from it.
///
/// The executor takes sizes that are a multiple of the chunks times 16 bytes, below 4 GiB. It has no reduce to one
/// rank. It does not compare the root of a broadcast: such a plan is for that root alone.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/core/json.hpp>
#include <blink/schedule/export_chunks.hpp>
#include <blink/schedule/schedule.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace blink {
namespace detail {

class mscclpp_writer {
  public:
    mscclpp_writer(const schedule& s, const export_options& o) : s_(s), o_(o), cut_(cut_for_export(s, o)) {
        if (s.kind == collective::reduce) { refuse("its executor has no reduce to one rank"); }
        gpus_.resize(static_cast<std::size_t>(s.ranks));
        scratch_at_.assign(s.lanes.size(), std::vector<int>(static_cast<std::size_t>(s.ranks), -1));
        for (std::size_t l = 0; l < s.lanes.size(); ++l) { give_scratch(l); }
        for (std::size_t l = 0; l < s.lanes.size(); ++l) {
            for (std::size_t r = 0; r < s.lanes[l].roles.size(); ++r) { add_blocks(l, r); }
        }
    }

    [[nodiscard]] json::value document() const {
        json::array gpus;
        for (std::size_t g = 0; g < gpus_.size(); ++g) {
            json::array buffers;
            for (const auto& [rank, type] : gpus_[g].buffers) {
                buffers.emplace_back(json::object{
                    {"rank", rank}, {"type", std::string(1, type)}, {"access_channel_types", json::array{"memory"}}});
            }
            const json::array semaphores(static_cast<std::size_t>(gpus_[g].semaphores),
                                         json::object{{"init_value", 0}});
            gpus.emplace_back(json::object{
                {"id", g},
                {"input_chunks", cut_.of_input(s_)},
                {"output_chunks", cut_.of_output(s_)},
                {"scratch_chunks", gpus_[g].scratch},
                {"threadblocks", gpus_[g].blocks},
                {"channels", json::array{json::object{{"channel_type", "memory"},
                                                      {"connected_to", json::value::list(gpus_[g].channels)}}}},
                {"remote_buffers", std::move(buffers)},
                {"semaphores", semaphores}});
        }
        const auto bytes = [](std::uint64_t n) {
            return static_cast<double>(std::min<std::uint64_t>(n, std::numeric_limits<std::uint32_t>::max()));
        };
        const bool scatter = s_.kind == collective::reduce_scatter;
        return json::object{{"name", o_.name},
                            {"collective", scatter ? std::string_view("reducescatter") : to_string(s_.kind)},
                            {"protocol", "Simple"},
                            {"inplace", o_.in_place},
                            {"reuse_resources", false},
                            {"gpus", std::move(gpus)},
                            {"num_threads_per_block", 1024},
                            {"use_double_scratch_buffer", false},
                            {"buffer_alignment", 16},
                            {"min_message_size", bytes(o_.min_bytes)},
                            {"max_message_size", bytes(o_.max_bytes)}};
    }

  private:
    static constexpr std::size_t most_in_block = 16; ///< channels of a thread block
    static constexpr std::size_t most_in_step = 8;   ///< channels of an operation
    static constexpr int most_semaphores = 16;

    struct gpu {
        std::vector<int> channels;                 ///< by channel: the other rank
        std::vector<std::pair<int, char>> buffers; ///< remote ones
        json::array blocks;
        int scratch = 0;
        int semaphores = 0;
    };
    /// A thread block while it grows.
    struct block {
        gpu& of;
        std::vector<int> channels{};
        std::vector<int> buffers{};
        json::array steps{};
        json::array loop{};
    };

    [[noreturn]] void refuse(const std::string& what) const {
        throw usage_error("export of " + std::string(to_string(s_.kind)) + " for MSCCL++: " + what);
    }

    [[nodiscard]] const role& role_of(std::size_t l, int rank) const {
        return s_.lanes[l].roles[static_cast<std::size_t>(rank)];
    }

    /// In a reduce-scatter a partial result stays on a rank that may not keep it in its output.
    void give_scratch(std::size_t l) {
        if (s_.kind != collective::reduce_scatter) { return; }
        for (int r = 0; r < s_.ranks; ++r) {
            if (role_of(l, r).reduce_from.empty() || r == s_.lanes[l].root) { continue; }
            gpu& g = gpus_[static_cast<std::size_t>(r)];
            scratch_at_[l][static_cast<std::size_t>(r)] = g.scratch;
            g.scratch += cut_.count[l];
        }
    }

    /// Where a rank has what its parent reads.
    [[nodiscard]] export_place partial(std::size_t l, int rank) const {
        if (role_of(l, rank).reduce_from.empty()) { return cut_.input(s_, l); }
        const int at = scratch_at_[l][static_cast<std::size_t>(rank)];
        return at < 0 ? cut_.output(s_, l) : export_place{'s', at};
    }

    /// Number of a new channel of the block to `peer`, as the block's operations name it. The n-th channel of a rank to
    /// a peer is joined with the n-th of the peer to the rank; both add theirs in the order of lanes and phases.
    [[nodiscard]] int channel(block& b, int peer) const {
        b.of.channels.push_back(peer);
        b.channels.push_back(static_cast<int>(b.of.channels.size()) - 1);
        if (b.channels.size() > most_in_block) {
            refuse("a rank has more neighbours in a tree than the 16 channels of a thread block");
        }
        return static_cast<int>(b.channels.size()) - 1;
    }

    [[nodiscard]] std::vector<int> channels(block& b, const std::vector<int>& peers) const {
        std::vector<int> numbers;
        for (const int p : peers) { numbers.push_back(channel(b, p)); }
        return numbers;
    }

    [[nodiscard]] json::value local(export_place p, std::size_t l) const {
        return json::object{{"type", std::string(1, p.buffer)}, {"index", p.first}, {"size", cut_.count[l]}};
    }

    [[nodiscard]] json::value remote(block& b, int rank, export_place p, std::size_t l) const {
        const auto number = [](auto& list, const auto& what) {
            const auto at = std::ranges::find(list, what) - list.begin();
            if (at == static_cast<std::ptrdiff_t>(list.size())) { list.push_back(what); }
            return static_cast<int>(at);
        };
        const int id = number(b.of.buffers, std::pair{rank, p.buffer});
        return json::object{{"buffer_id", number(b.buffers, id)}, {"index", p.first}, {"size", cut_.count[l]}};
    }

    /// Adds signals or waits on channels, so many to an operation as it may have.
    static void tell(json::array& steps, const char* what, const std::vector<int>& channels) {
        for (std::size_t i = 0; i < channels.size(); i += most_in_step) {
            const auto from = channels.begin() + static_cast<std::ptrdiff_t>(i);
            const std::vector<int> some(
                from, from + static_cast<std::ptrdiff_t>(std::min(most_in_step, channels.size() - i)));
            steps.emplace_back(
                json::object{{"name", what}, {"channel_ids", json::value::list(some)}, {"channel_type", "memory"}});
        }
    }

    /// All threads of the block meet: between waiting and reading, between writing and telling.
    static void meet(json::array& steps) { steps.emplace_back(json::object{{"name", "nop"}}); }

    static void move(json::array& steps, const char* what, json::array from, json::array to, bool reduces) {
        json::object step{{"name", what}, {"src_buff", std::move(from)}, {"dst_buff", std::move(to)}};
        if (std::string_view(what) != "copy") { step.emplace_back("channel_type", "memory"); }
        if (reduces) { step.emplace_back("reduce_op", "sum"); }
        steps.emplace_back(std::move(step));
    }

    void close(block& b, std::size_t l) const {
        if (!b.loop.empty()) {
            const json::object slices{{"unit_size", o_.slice_bytes}, {"num_chunks", cut_.count[l]}};
            b.steps.emplace_back(
                json::object{{"name", "pipeline"}, {"iter_context", slices}, {"ops", std::move(b.loop)}});
            b.loop = {};
        }
    }

    void finish(block& b) const {
        if (b.steps.empty()) { return; }
        const json::value ids = json::value::list(b.channels);
        json::object o{{"id", b.of.blocks.size()}, {"ops", std::move(b.steps)}};
        o.emplace_back("channels", json::array{json::object{{"channel_type", "memory"}, {"channel_ids", ids}}});
        o.emplace_back("remote_buffer_refs",
                       json::array{json::object{{"access_channel_type", "memory"},
                                                {"remote_buffer_ids", json::value::list(b.buffers)}}});
        b.of.blocks.emplace_back(std::move(o));
    }

    void add_blocks(std::size_t l, std::size_t rank) {
        gpu& g = gpus_[rank];
        const role& r = s_.lanes[l].roles[rank];
        const bool turns = reduces(s_.kind) && hands_on(s_.kind) && r.reduce_to == no_rank;
        const bool one = turns && r.reduce_from.size() + r.broadcast_to.size() <= most_in_block;
        const int semaphore = turns && !one ? g.semaphores++ : -1;
        if (g.semaphores > most_semaphores) { refuse("a rank needs more than 16 semaphores; plan with fewer trees"); }
        block up{g};
        if (reduces(s_.kind)) { add_up(up, l, static_cast<int>(rank), one ? &r.broadcast_to : nullptr, semaphore); }
        finish(up);
        if (!hands_on(s_.kind) || one) { return; }
        block down{g};
        add_down(down, l, r, semaphore);
        finish(down);
    }

    /// Where the root has too many children for one block, a semaphore tells the second block of each slice.
    static void pass(json::array& steps, const char* what, int semaphore) {
        steps.emplace_back(json::object{{"name", what}, {"semaphore_ids", json::array{semaphore}}});
    }

    /// @param onward children that get the result from the same block, at the root of an allreduce
    void add_up(block& b, std::size_t l, int rank, const std::vector<int>* onward, int semaphore) const {
        const role& r = role_of(l, rank);
        std::vector<int> leaves; // their input is there once their call has begun
        std::vector<int> inner;
        const std::vector<int> children = channels(b, r.reduce_from);
        for (std::size_t c = 0; c < children.size(); ++c) {
            (role_of(l, r.reduce_from[c]).reduce_from.empty() ? leaves : inner).push_back(children[c]);
        }
        std::vector<int> parent;
        if (r.reduce_to != no_rank) { parent.push_back(channel(b, r.reduce_to)); }
        std::vector<int> below;
        if (onward != nullptr) { below = channels(b, *onward); }
        if (r.reduce_from.empty()) {
            tell(b.steps, "signal", parent);
        } else {
            tell(b.steps, "wait", leaves);
            tell(b.steps, "rlxwait", below);
            if (leaves.size() + below.size() > 0) { meet(b.steps); }
            tell(b.loop, "wait", inner);
            if (!inner.empty()) { meet(b.loop); }
            combine(b, l, rank, onward);
            meet(b.loop);
            tell(b.loop, "signal", onward != nullptr ? below : parent);
            if (semaphore >= 0) { pass(b.loop, "sem_release", semaphore); }
            close(b, l);
        }
        if (s_.kind == collective::reduce_scatter) { // no result comes back to say that the parent has read all
            meet(b.steps);
            tell(b.steps, "signal", children);
            tell(b.steps, "wait", parent);
        }
    }

    /// Reads what the children have and combines it, own contribution first, then in their order; so many to an
    /// operation as it may have.
    void combine(block& b, std::size_t l, int rank, const std::vector<int>* onward) const {
        const role& r = role_of(l, rank);
        const export_place sum = partial(l, rank);
        for (std::size_t c = 0; c < r.reduce_from.size(); c += most_in_step) {
            const std::size_t end = std::min(r.reduce_from.size(), c + most_in_step);
            if (c > 0) { meet(b.loop); }
            json::array from{local(c == 0 ? cut_.input(s_, l) : sum, l)};
            for (std::size_t i = c; i < end; ++i) {
                from.push_back(remote(b, r.reduce_from[i], partial(l, r.reduce_from[i]), l));
            }
            json::array to{local(sum, l)};
            const bool sends = onward != nullptr && end == r.reduce_from.size() && onward->size() <= most_in_step;
            if (sends) {
                for (const int child : *onward) { to.push_back(remote(b, child, cut_.output(s_, l), l)); }
            }
            move(b.loop, sends ? "rres" : "rre", std::move(from), std::move(to), true);
        }
        if (onward != nullptr && onward->size() > most_in_step) {
            meet(b.loop);
            put(b, l, cut_.output(s_, l), *onward);
        }
    }

    void put(block& b, std::size_t l, export_place from, const std::vector<int>& children) const {
        for (std::size_t c = 0; c < children.size(); c += most_in_step) {
            json::array source;
            json::array target;
            for (std::size_t i = c; i < std::min(children.size(), c + most_in_step); ++i) {
                source.push_back(local(from, l));
                target.push_back(remote(b, children[i], cut_.output(s_, l), l));
            }
            move(b.loop, "put", std::move(source), std::move(target), false);
        }
    }

    void add_down(block& b, std::size_t l, const role& r, int semaphore) const {
        const bool source = r.broadcast_from == no_rank && semaphore < 0;
        std::vector<int> parent;
        if (r.broadcast_from != no_rank) { parent.push_back(channel(b, r.broadcast_from)); }
        const std::vector<int> below = channels(b, r.broadcast_to);
        tell(b.steps, "rlxsignal", parent);
        if (source && !o_.in_place) {
            move(b.steps, "copy", {local(cut_.input(s_, l), l)}, {local(cut_.output(s_, l), l)}, false);
        }
        tell(b.steps, "rlxwait", below);
        if (!below.empty()) { meet(b.steps); }
        tell(b.loop, "wait", parent);
        if (semaphore >= 0) { pass(b.loop, "sem_acquire", semaphore); }
        if (!below.empty()) {
            if (!source) { meet(b.loop); }
            put(b, l, source ? cut_.input(s_, l) : cut_.output(s_, l), r.broadcast_to);
            meet(b.loop);
            tell(b.loop, "signal", below);
        }
        close(b, l);
    }

    const schedule& s_;
    const export_options& o_;
    export_chunks cut_;
    std::vector<gpu> gpus_;
    std::vector<std::vector<int>> scratch_at_; ///< by lane and rank; -1 where there is none
};

} // namespace detail

/// The text of an execution plan. Ranks are those of the schedule.
/// @throw usage_error for a reduce, fewer than two ranks, more trees than the options have chunks, or trees in which a
///     rank has more neighbours than a thread block has channels
[[nodiscard]] inline std::string write_mscclpp_json(const schedule& s, const export_options& o = {}) {
    return detail::mscclpp_writer(s, o).document().dump(1) + "\n";
}

} // namespace blink
