// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of copy_plan.hpp.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>
#include <blink/execute/cuda/copy_parts.hpp>
#include <blink/execute/cuda/copy_plan.hpp>
#include <blink/schedule/exchange.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace blink::cuda {

namespace detail {

class copy_planner {
  public:
    /// @param in_place of a reduction: bit r where rank r's result replaces what it gives
    copy_planner(int ranks, const copy_shape& shape, std::uint64_t in_place = 0)
        : shape_(shape), in_place_(in_place), taken_(static_cast<std::size_t>(ranks)) {
        plan_.ranks = ranks;
        plan_.staged = shape.staged;
        shape_.chunk = rounded_up(shape.chunk);
        shape_.host_piece = rounded_up(shape.host_piece);
        if (ranks != 2) { shape_.host_share = 0; }
        shape_.may_share = shape_.may_share && ranks == 2;
    }

    /// All transfers but those in place. What crosses between two GPUs begins first; the pieces over the host of all
    /// transfers take turns.
    void move(const std::vector<transfer>& transfers, const std::vector<bool>& in_place) {
        std::vector<std::size_t> straight;
        std::size_t longest = 0;
        for (const transfer& t : transfers) {
            const std::size_t by_host = t.from == t.to ? 0 : share_of(t.count, shape_.host_share);
            straight.push_back(t.count - by_host);
            longest = std::max(longest, by_host);
            if (t.from != t.to) {
                copy(queue_of(t.from, copy_queue::own), source(t, 0), target(t, 0), straight.back());
            }
        }
        for (std::size_t i = 0; i < transfers.size(); ++i) {
            const transfer& t = transfers[i];
            if (t.from == t.to && !in_place[i]) {
                copy(queue_of(t.from, copy_queue::even), source(t, 0), target(t, 0), t.count);
            }
        }
        for (std::size_t at = 0; at < longest; at += shape_.host_piece) {
            for (std::size_t i = 0; i < transfers.size(); ++i) {
                const transfer& t = transfers[i];
                const std::size_t begin = straight[i] + at;
                if (begin >= t.count) { continue; }
                const std::size_t count = std::min(shape_.host_piece, t.count - begin);
                (void)over_host(source(t, begin), target(t, begin), count, {});
            }
        }
    }

    /// Brings every part together at its owner, and from there to all others where `hands_on`.
    void reduce(std::vector<owned_part> parts, bool hands_on) {
        std::size_t pieces = 0;
        for (const owned_part& p : parts) { pieces = std::max(pieces, divided(p.count, shape_.chunk)); }
        for (std::size_t i = 0; i < pieces; ++i) {
            for (owned_part& p : parts) { reduce_piece(p, i, hands_on); }
        }
    }

    /// Between two ranks: each that gets results combines the last elements of them itself, from what the other one
    /// sends over the host. So every element crosses PCIe as often as it would cross the link, and nothing comes back.
    /// @param results what each of them gets in all; alike in size
    void reduce_over_host(std::vector<owned_part> results) {
        if (shape_.may_share) { plan_.slot_elements = end_of_host_slots(); }
        const std::size_t by_host = share_of(results.front().count, shape_.host_share);
        plan_.by_kernels = results.front().count - by_host;
        for (std::size_t at = 0; at < by_host; at += shape_.host_piece) {
            const std::size_t count = std::min(shape_.host_piece, by_host - at);
            reduce_piece_over_host(results, plan_.by_kernels + at, count);
        }
    }

    /// AllReduce between two ranks: over the link each sends what the other owns, and its own results some pieces later
    /// in the same queue. So a copy never waits for one of the other queues that has just begun, and the link is busy
    /// until the end. Staged, results come to slots of their own, and a kernel of who gets them moves them on; what
    /// comes last is small then, since nothing else hides that. What goes over the host is combined by both; its last
    /// piece is enqueued behind everything else, since graphs of several calls in which the link came last ran both
    /// ways one after the other.
    /// @param results what each of them gets, over the host
    void all_reduce_pair(std::vector<owned_part> parts, std::vector<owned_part> results) {
        std::array<link_cut, 2> cuts{};
        std::size_t pieces = 0;
        for (std::size_t r = 0; r < 2; ++r) {
            cuts[r] = cut(parts[r], !shape_.staged && !is_in_place(static_cast<int>(r)));
            pieces = std::max(pieces, cuts[r].pieces);
            if (!cuts[r].in_result) { host_slots_at_ = (shape_.staged ? 2 : 1) * link_ring(); }
        }
        if (shape_.may_share) { plan_.slot_elements = end_of_host_slots(); }
        const std::size_t carried = parts[0].count + parts[1].count;
        std::size_t by_host = carried; // where the next piece over the host begins
        const auto next_over_host = [&] {
            const std::size_t count = std::min(shape_.host_piece, results.front().count - by_host);
            if (count > 0) { reduce_piece_over_host(results, std::exchange(by_host, by_host + count), count); }
            return count > 0;
        };
        const auto lag = static_cast<std::size_t>(shape_.link_slots - 1);
        for (std::size_t i = 0; i < pieces + lag; ++i) {
            const std::array<int, 2> arrived{collect_piece(parts[0], cuts[0], i), collect_piece(parts[1], cuts[1], i)};
            for (std::size_t r = 0; r < 2; ++r) { combine_collected(parts[r], cuts[r], i, arrived[r]); }
            if (by_host + shape_.host_piece < results.front().count) { (void)next_over_host(); }
            for (std::size_t r = 0; i >= lag && r < 2; ++r) { hand_on_piece(parts[r], cuts[r], i - lag); }
        }
        while (next_over_host()) {}
    }

    [[nodiscard]] copy_plan take() {
        if (shape_.may_share) {
            plan_.host_elements = 2 * static_cast<std::size_t>(shape_.host_slots) * shape_.host_piece;
        }
        return std::move(plan_);
    }

    /// What of `count` elements goes over the host; the rest ends at a granule.
    [[nodiscard]] std::size_t share_of(std::size_t count, double share) const {
        if (!(share > 0)) { return 0; }
        const auto rest = static_cast<std::size_t>(static_cast<double>(count) * std::max(1 - share, 0.0));
        return count - std::min(count, divided(rest, shape_.granule) * shape_.granule);
    }

  private:
    [[nodiscard]] bool is_in_place(int rank) const { return (in_place_ >> rank & 1U) != 0; }
    [[nodiscard]] static std::size_t divided(std::size_t a, std::size_t b) { return (a + b - 1) / b; }
    [[nodiscard]] std::size_t rounded_up(std::size_t n) const {
        return std::max<std::size_t>(divided(n, shape_.granule), 1) * shape_.granule;
    }

    [[nodiscard]] static copy_end source(const transfer& t, std::size_t at) {
        return {copy_place::in, t.from, t.in_offset + at};
    }
    [[nodiscard]] static copy_end target(const transfer& t, std::size_t at) {
        return {copy_place::out, t.to, t.out_offset + at};
    }

    int add(const copy_step& step, std::vector<int> after) {
        std::erase(after, -1);
        plan_.steps.push_back(step);
        plan_.after.push_back(std::move(after));
        return static_cast<int>(plan_.steps.size()) - 1;
    }
    int copy(int queue, const copy_end& from, const copy_end& to, std::size_t count, std::vector<int> after = {}) {
        return count == 0 ? -1 : add({queue, false, from, to, count}, std::move(after));
    }

    /// The steps of a piece on its way over the host.
    struct passage {
        int left = -1;    ///< it is on the host
        int arrived = -1; ///< it is where it was sent
    };

    /// @param after steps that have to be done before it may arrive
    passage over_host(const copy_end& from, const copy_end& to, std::size_t count, std::vector<int> after,
                      copy_queue last_way = copy_queue::from_host) {
        std::vector<int>& taken = taken_[static_cast<std::size_t>(from.rank)]; // steps that emptied the ring before
        const auto ring = static_cast<std::size_t>(shape_.host_slots);
        const std::size_t row = static_cast<std::size_t>(from.rank) * ring;
        const copy_end between{copy_place::host, 0, (row + taken.size() % ring) * shape_.host_piece};
        plan_.host_elements = std::max(plan_.host_elements, (row + ring) * shape_.host_piece); // whatever the share
        const int emptied = taken.size() < ring ? -1 : taken[taken.size() - ring];
        const int left = copy(queue_of(from.rank, copy_queue::to_host), from, between, count, {emptied});
        after.push_back(left);
        taken.push_back(copy(queue_of(to.rank, last_way), between, to, count, std::move(after)));
        return {left, taken.back()};
    }

    /// Where the slots of `owner` begin that a peer fills, the peers in ascending order.
    [[nodiscard]] std::size_t slot_row() const { return static_cast<std::size_t>(shape_.slots) * shape_.chunk; }

    [[nodiscard]] int emptied(const std::vector<int>& combined, std::size_t i) const {
        const auto slots = static_cast<std::size_t>(shape_.slots);
        return i < slots ? -1 : combined[i - slots];
    }

    /// Combines what has arrived, and hands the result on behind it in the same queue.
    int finish(const owned_part& p, int queue, std::size_t at, std::size_t count, std::size_t others, std::size_t row,
               std::vector<int> arrived, bool hands_on) {
        const copy_end own{copy_place::in, p.owner, p.in_offset + at};
        const copy_end result{copy_place::out, p.owner, p.out_offset + at};
        const int combined = add({queue, true, own, result, count, others, row}, std::move(arrived));
        for (int k = 1; hands_on && k < plan_.ranks; ++k) {
            const int to = (p.owner + k) % plan_.ranks;
            (void)copy(queue, result, {copy_place::out, to, result.offset}, count);
        }
        return combined;
    }

    void reduce_piece(owned_part& p, std::size_t i, bool hands_on) {
        const std::size_t at = i * shape_.chunk;
        if (at >= p.count) { return; }
        const std::size_t count = std::min(shape_.chunk, p.count - at);
        const std::size_t slot = i % static_cast<std::size_t>(shape_.slots) * shape_.chunk;
        std::vector<int> arrived;
        for (int k = 1; k < plan_.ranks; ++k) {
            const int from = (p.owner + k) % plan_.ranks;
            const auto row = static_cast<std::size_t>(from < p.owner ? from : from - 1);
            const copy_end to{copy_place::slot, p.owner, row * slot_row() + slot};
            plan_.slot_elements = std::max(plan_.slot_elements, to.offset + count);
            arrived.push_back(copy(queue_of(from, copy_queue::own), {copy_place::in, from, p.in_offset + at}, to, count,
                                   {emptied(p.combined, i)}));
        }
        const copy_queue turn = i % 2 == 0 ? copy_queue::even : copy_queue::odd;
        p.combined.push_back(
            finish(p, queue_of(p.owner, turn), at, count, slot, slot_row(), std::move(arrived), hands_on));
    }

    /// In pieces of one size, as far as granules allow.
    [[nodiscard]] link_cut cut(const owned_part& p, bool in_result) const {
        const std::size_t most = in_result && shape_.apart_chunk > 0 ? rounded_up(shape_.apart_chunk) : shape_.chunk;
        if (p.count == 0) { return {1, 0, in_result}; }
        const std::size_t piece = rounded_up(divided(p.count, divided(p.count, most)));
        return {piece, divided(p.count, piece), in_result};
    }

    /// Brings piece `i` of a part over the link to its owner; the step that does.
    int collect_piece(const owned_part& p, const link_cut& c, std::size_t i) {
        if (i >= c.pieces) { return -1; }
        const std::size_t at = i * c.piece;
        const std::size_t count = std::min(c.piece, p.count - at);
        const auto slots = static_cast<std::size_t>(shape_.link_slots);
        const std::size_t slot = i % slots * c.piece;
        if (!c.in_result) { plan_.slot_elements = std::max(plan_.slot_elements, slot + count); }
        return copy(queue_of(1 - p.owner, copy_queue::own), {copy_place::in, 1 - p.owner, p.in_offset + at},
                    c.in_result ? copy_end{copy_place::out, p.owner, p.out_offset + at}
                                : copy_end{copy_place::slot, p.owner, slot},
                    count, {c.in_result || i < slots ? -1 : p.combined[i - slots]});
    }

    void combine_collected(owned_part& p, const link_cut& c, std::size_t i, int arrived) {
        if (i >= c.pieces) { return; }
        const std::size_t at = i * c.piece;
        const std::size_t slot = i % static_cast<std::size_t>(shape_.link_slots) * c.piece;
        p.combined.push_back(add({queue_of(p.owner, copy_queue::even),
                                  true,
                                  {copy_place::in, p.owner, p.in_offset + at},
                                  {copy_place::out, p.owner, p.out_offset + at},
                                  std::min(c.piece, p.count - at),
                                  slot,
                                  0,
                                  c.in_result},
                                 {arrived}));
    }

    [[nodiscard]] std::size_t link_ring() const { return static_cast<std::size_t>(shape_.link_slots) * shape_.chunk; }

    /// Sends what the owner has combined of piece `i`.
    void hand_on_piece(owned_part& p, const link_cut& c, std::size_t i) {
        if (i >= c.pieces) { return; }
        const std::size_t end = std::min((i + 1) * c.piece, p.count);
        std::size_t count = end - i * c.piece;
        for (std::size_t at = i * c.piece; at < end; at += count) {
            const bool shrinks = shape_.staged && i + 1 == c.pieces && p.handed_on.size() < c.pieces + 1;
            count = shrinks ? std::min(rounded_up((end - at) * 3 / 4), end - at) : end - at;
            const copy_end result{copy_place::out, p.owner, p.out_offset + at};
            const copy_end there{copy_place::out, 1 - p.owner, result.offset};
            const int queue = queue_of(p.owner, copy_queue::own);
            if (!shape_.staged) {
                (void)copy(queue, result, there, count, {p.combined[i]});
                continue;
            }
            const auto slots = static_cast<std::size_t>(shape_.link_slots);
            const std::size_t ring = link_ring() + i % slots * c.piece;
            const copy_end between{copy_place::slot, 1 - p.owner, ring + at - i * c.piece};
            plan_.slot_elements = std::max(plan_.slot_elements, between.offset + count);
            const int emptied = i < slots ? -1 : p.handed_on[i - slots];
            const int arrived = copy(queue, result, between, count, {p.combined[i], emptied});
            p.handed_on.push_back(copy(queue_of(1 - p.owner, copy_queue::odd), between, there, count, {arrived}));
        }
    }

    void reduce_piece_over_host(std::vector<owned_part>& results, std::size_t at, std::size_t count) {
        std::vector<passage> passages;
        for (const owned_part& p : results) { passages.push_back(bring(p, at, count)); }
        for (std::size_t i = 0; i < results.size(); ++i) {
            // In place, what this rank sends must have left before the result replaces it.
            const bool kept = results.size() < 2 || !is_in_place(results[i].owner);
            const int left = kept ? -1 : passages[1 - i].left;
            combine_brought(results[i], at, count, {passages[i].arrived, left});
        }
    }

    /// Pieces take turns at two queues, each of which combines what it has brought before it brings more: so no two
    /// steps of a rank wait for the same one of it, and a graph keeps these queues apart.
    [[nodiscard]] static copy_queue turn_of(const owned_part& p) {
        return p.combined.size() % 2 == 0 ? copy_queue::from_host : copy_queue::from_host_in_turn;
    }

    /// Where the next piece over the host lies that `p.owner` gets.
    [[nodiscard]] std::size_t host_slot(const owned_part& p) const {
        return host_slots_at_ + p.combined.size() % static_cast<std::size_t>(shape_.slots) * shape_.host_piece;
    }

    [[nodiscard]] std::size_t end_of_host_slots() const {
        return host_slots_at_ + static_cast<std::size_t>(shape_.slots) * shape_.host_piece;
    }

    /// Brings elements that the other rank contributes.
    passage bring(const owned_part& p, std::size_t at, std::size_t count) {
        const std::size_t slot = host_slot(p);
        plan_.slot_elements = std::max(plan_.slot_elements, end_of_host_slots());
        return over_host({copy_place::in, 1 - p.owner, p.in_offset + at}, {copy_place::slot, p.owner, slot}, count,
                         {emptied(p.combined, p.combined.size())}, turn_of(p));
    }

    void combine_brought(owned_part& p, std::size_t at, std::size_t count, std::vector<int> after) {
        const std::size_t slot = host_slot(p);
        p.combined.push_back(finish(p, queue_of(p.owner, turn_of(p)), at, count, slot, 0, std::move(after), false));
    }

    copy_plan plan_;
    copy_shape shape_;
    std::uint64_t in_place_;
    std::size_t host_slots_at_ = 0; ///< where slots for pieces over the host begin
    std::vector<std::vector<int>>
        taken_; ///< by rank that sends over the host: the step that took each piece from there
};

} // namespace detail

BLINK_INLINE copy_plan plan_copies(collective kind, int ranks, int root, std::size_t count, std::uint64_t in_place,
                                   const copy_shape& shape) {
    detail::copy_planner planner(ranks, shape, in_place);
    if (reduces(kind)) {
        if (ranks == 2 && kind == collective::allreduce && !shape.link_by_kernels) {
            const std::size_t by_link = count - planner.share_of(count, shape.host_share);
            planner.all_reduce_pair(detail::owned_parts(kind, ranks, root, by_link, shape.granule),
                                    detail::results_of(kind, ranks, root, count));
        } else if (ranks == 2 && (shape.host_share > 0 || shape.may_share || shape.link_by_kernels)) {
            planner.reduce_over_host(detail::results_of(kind, ranks, root, count));
        } else {
            planner.reduce(detail::owned_parts(kind, ranks, root, count, shape.granule), hands_on(kind));
        }
        return planner.take();
    }
    std::vector<transfer> transfers;
    std::vector<bool> unmoved;
    for (int k = 0; k < ranks; ++k) {
        for (int from = 0; from < ranks; ++from) {
            if (kind == collective::broadcast && from != root) { continue; }
            const std::size_t shard = is_sharded(kind) ? static_cast<std::size_t>(from) * count : 0;
            transfers.push_back({from, (from + k) % ranks, 0, shard, count});
            unmoved.push_back(k == 0 && (in_place >> from & 1U) != 0);
        }
    }
    planner.move(transfers, unmoved);
    return planner.take();
}

BLINK_INLINE copy_plan plan_copies(const exchange& e, const std::vector<bool>& in_place, const copy_shape& shape) {
    detail::copy_planner planner(e.ranks, shape);
    planner.move(e.transfers, in_place);
    return planner.take();
}

} // namespace blink::cuda
