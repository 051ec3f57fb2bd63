// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Values for symbolic execution: which contributions were combined, and in which order.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace blink::detail {

/// Expression trees over the ranks' contributions. Equal trees have equal numbers; rank r's own contribution is
/// number r.
class expressions {
  public:
    using id = int;

    explicit expressions(int ranks) : ranks_(static_cast<std::size_t>(ranks)) {
        for (std::size_t r = 0; r < ranks_; ++r) {
            std::vector<int> counts(ranks_, 0);
            counts[r] = 1;
            nodes_.push_back({-1, -1, std::move(counts)});
        }
    }

    [[nodiscard]] id combine(id left, id right) {
        const auto [at, added] = known_.try_emplace({left, right}, static_cast<id>(nodes_.size()));
        if (added) {
            node both{left, right, node_of(left).counts};
            for (std::size_t r = 0; r < ranks_; ++r) { both.counts[r] += node_of(right).counts[r]; }
            nodes_.push_back(std::move(both));
        }
        return at->second;
    }

    /// How often each rank's contribution is in `e`.
    [[nodiscard]] const std::vector<int>& counts(id e) const { return node_of(e).counts; }

    /// "((0 1) 2)", cut short where it is long.
    [[nodiscard]] std::string text(id e) const {
        constexpr std::size_t longest = 60;
        std::string whole = spell(e);
        return whole.size() <= longest ? whole : whole.substr(0, longest) + "...";
    }

  private:
    struct node {
        id left = -1;
        id right = -1;
        std::vector<int> counts;
    };

    [[nodiscard]] const node& node_of(id e) const { return nodes_[static_cast<std::size_t>(e)]; }

    [[nodiscard]] std::string spell(id e) const {
        const node& n = node_of(e);
        return n.left < 0 ? std::to_string(e) : "(" + spell(n.left) + " " + spell(n.right) + ")";
    }

    std::size_t ranks_;
    std::vector<node> nodes_;
    std::map<std::pair<id, id>, id> known_;
};

} // namespace blink::detail
