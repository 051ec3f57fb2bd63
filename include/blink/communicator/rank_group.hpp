// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What every group of ranks offers, so that a collective is one short function for all of them.
#pragma once

#include <blink/communicator/options.hpp>
#include <blink/communicator/rank_buffers.hpp>
#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/core/operators.hpp>
#include <blink/plan.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace blink {

/// How a group is. Whatever is not `ready` stays so: make a new group.
enum class group_status : std::uint8_t {
    ready,     ///< takes work
    aborted,   ///< `abort()` was called
    timed_out, ///< a rank waited longer than the deadline
    failed     ///< something else was thrown on a rank, by the operator say
};

[[nodiscard]] constexpr std::string_view to_string(group_status s) noexcept {
    switch (s) {
    case group_status::ready:
        return "ready";
    case group_status::aborted:
        return "aborted";
    case group_status::timed_out:
        return "timed out";
    case group_status::failed:
        return "failed";
    }
    return "unknown";
}

/// The `rank_group` concept requires the following:
/// - `size()`: number of ranks; `status()`: how the group is, at any time and from any thread;
/// - `plan_for(kind, root, planning)`: the plan that such a call uses, kept for the next one. The root is ignored
///   where the collective has none;
/// - `make_buffers<T>(count)`: a `rank_buffers<T>`, zeroed;
/// - `run(kind, root, in, out, count, op, options)`: checks everything (usage_error before anything moves), then
///   starts the collective; `in[r]` and `out[r]` are the buffers of rank r, the same or apart. It may return before
///   the end;
/// - `synchronize()`: waits for all that was started; throws what went wrong on any rank, and goes on throwing it;
/// - `abort()`: makes every rank stop soon, from any thread; `run` and `synchronize` throw aborted_error from then on.
/// One thread at a time uses a group, but for `status` and `abort`.
///
/// @code
/// static_assert(blink::rank_group<blink::host_group>);
/// static_assert(!blink::rank_group<std::vector<float>>);
/// @endcode
template <class G>
concept rank_group = requires(G& g, const G& read, collective kind, int root, std::size_t count,
                              std::span<const float* const> in, std::span<float* const> out, const options& choices,
                              const plan_options& planning) {
    { read.size() } -> std::same_as<int>;
    { read.status() } -> std::same_as<group_status>;
    { g.plan_for(kind, root, planning) } -> std::convertible_to<const plan&>;
    { g.template make_buffers<float>(count) } -> std::same_as<rank_buffers<float>>;
    g.run(kind, root, in, out, count, sum{}, choices);
    g.synchronize();
    g.abort();
};

} // namespace blink
