// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A server with eight AMD MI250: 16 graphics dies, joined by Infinity Fabric links of 50 GB/s.
#pragma once

#include <blink/topology/machines/build.hpp>

namespace blink {
namespace detail {

consteval auto wired_mi250() {
    struct pair {
        int a, b;
        double GBps;
    };
    constexpr std::array<pair, 28> pairs{{
        {0, 1, 200}, {0, 4, 100},   {0, 8, 50},    {1, 5, 50},   {1, 9, 50},   {1, 10, 50},  {4, 5, 200},
        {4, 6, 50},  {8, 9, 200},   {8, 12, 100},  {5, 6, 50},   {5, 7, 50},   {9, 2, 50},   {9, 13, 50},
        {10, 2, 50}, {10, 11, 200}, {10, 14, 50},  {2, 3, 200},  {2, 6, 50},   {3, 7, 100},  {3, 11, 50},
        {6, 7, 200}, {11, 15, 100}, {12, 13, 200}, {12, 14, 50}, {13, 14, 50}, {13, 15, 50}, {14, 15, 200},
    }};
    machine_builder<16, 0, 28> b{"mi250", {}};
    for (const pair& p : pairs) { b.connect(p.a, p.b, p.GBps, link_kind::nvlink); }
    return b.done();
}

} // namespace detail

/// Eight MI250 (16 dies are 16 GPUs). Infinity Fabric stands as NVLink: direct links between GPUs' memories.
inline constexpr auto mi250 = detail::wired_mi250();

} // namespace blink
