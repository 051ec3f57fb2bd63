// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of rank_program.hpp.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/copy_plan.hpp>
#include <blink/execute/cuda/copy_program.hpp>
#include <blink/execute/cuda/rank_program.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace blink::cuda {

namespace detail {

/// What ranks tell each other in a program, the same on all of them.
struct told_events {
    std::vector<std::uint32_t> to;     ///< by event: bit r where rank r is told of it by another one, which marks it
    std::vector<std::uint32_t> number; ///< by event: which of those its queue tells of it is, from 1 on
};

[[nodiscard]] inline told_events told_in(const copy_program& program) {
    told_events told{std::vector<std::uint32_t>(program.marked_by.size(), 0),
                     std::vector<std::uint32_t>(program.marked_by.size(), 0)};
    for (const copy_action& a : program.actions) {
        const auto i = static_cast<std::size_t>(a.index);
        if (a.what != copy_action::kind::wait) { continue; }
        const int waits = rank_of_queue(a.queue);
        if (waits != rank_of_queue(program.marked_by[i])) { told.to[i] |= std::uint32_t{1} << waits; }
    }
    for (int r = 0; r < program.ranks; ++r) { // all hear that a rank is in the call, if only to say that it is not
        const std::uint32_t all = (std::uint32_t{1} << program.ranks) - 1;
        told.to[static_cast<std::size_t>(r)] = all & ~(std::uint32_t{1} << r);
    }
    std::vector<std::uint32_t> numbers(static_cast<std::size_t>(program.ranks * copy_queues), 0);
    for (std::size_t e = 0; e < told.to.size(); ++e) { // events are numbered as they are marked
        if (told.to[e] != 0) { told.number[e] = ++numbers[static_cast<std::size_t>(program.marked_by[e])]; }
    }
    return told;
}

/// Writes the actions of a rank.
class part_writer {
  public:
    part_writer(const copy_program& program, int rank) : program_(program), told_(told_in(program)) {
        part_ = {rank, program.steps, {}, 0, 0, program.slot_elements, program.host_elements, program.by_kernels};
        local_.assign(program.marked_by.size(), -1);
        for (const copy_action& a : program.actions) {
            if (a.what != copy_action::kind::step || rank_of_queue(a.queue) != rank) { continue; }
            queue_facts& q = facts(a.queue);
            ++q.left;
            const copy_step& s = program.steps[static_cast<std::size_t>(a.index)];
            q.copies_alone = q.copies_alone && !s.combines && !moves_by_kernel(s);
        }
    }

    [[nodiscard]] rank_program write() {
        for (const copy_action& a : program_.actions) {
            if (rank_of_queue(a.queue) != part_.rank) { continue; }
            switch (a.what) {
            case copy_action::kind::mark:
                mark(a);
                break;
            case copy_action::kind::wait:
                wait(a);
                break;
            case copy_action::kind::step:
                facts(a.queue).begun = true;
                --facts(a.queue).left;
                put({rank_action::kind::step, stream_number(a.queue, copy_side::main), a.index});
                break;
            }
        }
        for (int s = 0; s < rank_streams; ++s) {
            if (s != own_stream && streams_[static_cast<std::size_t>(s)].open) { put_wait(own_stream, put_mark(s)); }
        }
        return std::move(part_);
    }

  private:
    struct queue_facts {
        int left = 0; ///< steps that are still to come
        bool begun = false;
        bool copies_alone = true;
    };
    struct stream_facts {
        bool used = false;
        bool open = false; ///< nobody waits for its end
        int tail = -1;     ///< the event that is the last thing on it
    };

    queue_facts& facts(int queue) { return queues_[static_cast<std::size_t>(queue % copy_queues)]; }

    void put(const rank_action& a) {
        stream_facts& s = streams_[static_cast<std::size_t>(a.stream)];
        const bool branches = !s.used && a.stream != own_stream;
        s.used = s.open = true;
        s.tail = -1;
        if (branches && !(a.what == rank_action::kind::wait && a.index == entered_)) { put_wait(a.stream, entered_); }
        part_.actions.push_back(a);
    }
    int put_mark(int stream) {
        const int event = part_.events++;
        put({rank_action::kind::mark, stream, event});
        streams_[static_cast<std::size_t>(stream)].tail = event;
        return event;
    }
    void put_wait(int stream, int event) {
        for (stream_facts& s : streams_) {
            if (s.tail == event) { s.open = false; }
        }
        put({rank_action::kind::wait, stream, event});
    }

    void mark(const copy_action& a) {
        const auto i = static_cast<std::size_t>(a.index);
        const int main = stream_number(a.queue, copy_side::main);
        if (a.index == part_.rank) {
            put({rank_action::kind::enter, own_stream, 0, a.queue, told_.number[i], told_.to[i]});
            local_[i] = entered_ = put_mark(own_stream);
            part_.entry = part_.actions.size();
            return;
        }
        if (told_.to[i] == 0) {
            local_[i] = put_mark(main);
            return;
        }
        int from = main;
        const int beside = stream_number(a.queue, copy_side::tells);
        const bool told_beside = streams_[static_cast<std::size_t>(beside)].used; // flags only grow, so by one stream
        if (facts(a.queue).copies_alone && (facts(a.queue).left > 0 || told_beside)) {
            local_[i] = put_mark(main);
            from = beside;
            put_wait(from, local_[i]);
        }
        put({rank_action::kind::raise, from, 0, a.queue, told_.number[i], told_.to[i]});
        if (from == main) { local_[i] = put_mark(main); }
    }

    void wait(const copy_action& a) {
        const auto i = static_cast<std::size_t>(a.index);
        const int main = stream_number(a.queue, copy_side::main);
        const int marker = program_.marked_by[i];
        if (rank_of_queue(marker) == part_.rank) { return put_wait(main, local_[i]); }
        const queue_facts& q = facts(a.queue);
        const bool beside = q.copies_alone && q.begun && q.left > 0;
        const int on = beside ? stream_number(a.queue, copy_side::hears) : main;
        put({rank_action::kind::hear, on, 0, marker, told_.number[i], 0});
        if (beside) { put_wait(main, put_mark(on)); }
    }

    const copy_program& program_;
    told_events told_;
    rank_program part_;
    std::vector<int> local_; ///< by event of the program: that of this rank's part
    int entered_ = -1;
    std::array<queue_facts, copy_queues> queues_{};
    std::array<stream_facts, rank_streams> streams_{};
};

} // namespace detail

BLINK_INLINE rank_program part_of(const copy_program& program, int rank) {
    return detail::part_writer(program, rank).write();
}

} // namespace blink::cuda
