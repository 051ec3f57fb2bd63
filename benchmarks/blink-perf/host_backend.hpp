// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Host ranks: data that the caller can touch, time by the clock.
#pragma once

#include <blink/communicator/host_group.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

#include "session.hpp"

namespace blink_perf {

class host_backend {
  public:
    explicit host_backend(const blink::group_options& o) : group_(o) {}

    [[nodiscard]] blink::host_group& group() noexcept { return group_; }
    [[nodiscard]] const blink::host_group& group() const noexcept { return group_; }

    template <class T, class Make>
    void fill(int /*rank*/, T* to, std::size_t n, const Make& make) {
        for (std::size_t i = 0; i < n; ++i) { to[i] = make(i); }
    }

    template <class T, class Is>
    [[nodiscard]] std::size_t count_if(int /*rank*/, const T* from, std::size_t n, const Is& is) const {
        return static_cast<std::size_t>(std::count_if(from, from + n, is));
    }

    /// What must stand there is the same for all ranks in most collectives, so that it is made once.
    template <class T>
    [[nodiscard]] std::size_t count_wrong(const pattern& data, const std::vector<T*>& out, std::size_t n) const {
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < n; ++i) {
            T expected = expected_value<T>(data, 0, i);
            for (std::size_t r = 0; r < out.size(); ++r) {
                if (data.moves != movement::none || data.kind == blink::collective::reduce_scatter) {
                    expected = expected_value<T>(data, static_cast<int>(r), i);
                }
                wrong += holds_result(data, static_cast<int>(r)) && differs(out[r][i], expected) ? 1 : 0;
            }
        }
        return wrong;
    }

    /// A sample a call; host ranks have no peer.
    template <class In, class Out, class Call>
    [[nodiscard]] timings time(const job& j, const In& /*in*/, const Out& /*out*/, const Call& call) {
        for (int i = 0; i < j.warmup; ++i) { call(); }
        group_.synchronize();
        std::vector<double> samples;
        for (int i = 0; i < j.iterations; ++i) {
            const auto start = std::chrono::steady_clock::now();
            call();
            group_.synchronize();
            samples.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        }
        return {samples, {}, {}};
    }

  private:
    blink::host_group group_;
};

} // namespace blink_perf
