// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// From a packing that the compiler made to the type on which a kernel is instantiated. The type spells out the trees
/// as numbers alone, which nvcc can write into the names of kernels; it could not write a value that holds an array.
#pragma once

#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/packing/static_trees.hpp>

#include <cstddef>
#include <utility>

namespace blink::cuda {

namespace detail {

template <const auto& Trees, std::size_t Tree, class Ranks>
struct spelled_lane;

template <const auto& Trees, std::size_t Tree, std::size_t... Ranks>
struct spelled_lane<Trees, Tree, std::index_sequence<Ranks...>> {
    using tree = static_tree<Trees.trees[Tree].parent[Ranks]...>;
    using type = static_lane<tree, tree, Trees.trees[Tree].units>;
};

template <const auto& Trees, class Indices>
struct spelled_schedule;

template <const auto& Trees, std::size_t... Indices>
struct spelled_schedule<Trees, std::index_sequence<Indices...>> {
    using type = static_schedule<typename spelled_lane<Trees, Indices, std::make_index_sequence<Trees.ranks>>::type...>;
};

} // namespace detail

/// A lane for each tree of the `static_trees` named `Trees`, shares by rate.
template <const auto& Trees>
using static_schedule_of = typename detail::spelled_schedule<Trees, std::make_index_sequence<Trees.count>>::type;

} // namespace blink::cuda
