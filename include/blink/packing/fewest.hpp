// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The fewest trees, with rates on a grid of shares, that reach a rate: branch and bound over candidate trees.
#pragma once

#include <blink/packing/arborescence.hpp>
#include <blink/packing/candidates.hpp>
#include <blink/packing/eigen.hpp>
#include <blink/packing/hops.hpp>
#include <blink/packing/lookahead.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace blink {

/// A tree that was chosen, and how much goes over it (shares or GB/s, as the context says).
struct chosen_tree {
    hop_tree hops;
    double rate = 0;
};

/// Chooses trees whose rates are whole numbers of shares. Rates are taken in falling order, so with r trees to go the
/// next must carry at least an r-th of what is missing: that leaves few candidates. On direct links the last tree may
/// be any, candidate or not.
class fewest_trees {
  public:
    /// @param pool candidates; must outlive this
    /// @param room of each link in shares; rounded down
    /// @param budget how many candidates the search for one number of trees may look at
    /// @param max_depth no arborescence deeper than this is made up for the last tree
    fewest_trees(const hop_graph& g, std::span<const candidate_tree> pool, const Eigen::ArrayXd& room, int budget,
                 int max_depth)
        : graph_(&g), pool_(pool), room_((room + 1e-9).floor()), cheapest_(g), cost_(g.hops.size()), budget_(budget),
          max_depth_(max_depth) {
        collect_gates();
    }

    /// Looks for at most `count` trees that together carry `target` shares or more.
    /// @return empty where there is none or the budget ran out (see `exhausted`)
    [[nodiscard]] std::vector<chosen_tree> find(int count, double target) {
        chosen_.clear();
        left_ = budget_;
        if (!search(count, target, -1, std::numeric_limits<double>::infinity())) { chosen_.clear(); }
        return chosen_;
    }

    /// The same with as few trees as possible, at most `limit`.
    [[nodiscard]] std::vector<chosen_tree> find_fewest(int limit, double target) {
        for (int count = 1; count <= limit; ++count) {
            if (auto found = find(count, target); !found.empty()) { return found; }
        }
        return {};
    }

    /// The most that at most `count` trees carry.
    [[nodiscard]] std::vector<chosen_tree> find_most(int count) {
        std::vector<chosen_tree> best;
        double total = 0;
        while (true) {
            auto better = find(count, total + 1);
            if (better.empty()) { break; }
            best = std::move(better);
            total = 0;
            for (const chosen_tree& t : best) { total += t.rate; }
        }
        return best;
    }

    /// True where the last search was cut short, so that "none" only means "none was found".
    [[nodiscard]] bool exhausted() const noexcept { return left_ <= 0; }

  private:
    /// Links into (or out of) one rank: every tree loads one of them at least.
    void collect_gates() {
        const auto ranks = static_cast<std::size_t>(graph_->ranks);
        std::vector<std::vector<int>> enter(ranks);
        std::vector<std::vector<int>> leave(ranks);
        for (const tree_hop& h : graph_->hops) {
            const auto child = static_cast<std::size_t>(h.child);
            const auto parent = static_cast<std::size_t>(h.parent);
            if (h.loads.empty()) { continue; }
            // A reduce hop's route starts at the child: what matters is that the ends of a route belong to its ranks.
            const bool up = h.down < 0;
            enter[child].push_back(up ? h.loads.front() : h.loads.back());
            leave[parent].push_back(up ? h.loads.back() : h.loads.front());
        }
        if (!graph_->directed()) { return; }
        for (std::size_t v = 0; v < ranks; ++v) {
            auto& gate = static_cast<int>(v) == graph_->root ? leave[v] : enter[v];
            std::sort(gate.begin(), gate.end());
            gate.erase(std::unique(gate.begin(), gate.end()), gate.end());
            gates_.push_back(std::move(gate));
        }
    }

    /// No choice of trees carries more than this over what is left: every rank's gate, and the volume of all links.
    [[nodiscard]] double ceiling() const {
        double least = std::numeric_limits<double>::infinity();
        for (const auto& gate : gates_) {
            double sum = 0;
            for (const int l : gate) { sum += room_[l]; }
            least = std::min(least, sum);
        }
        if (graph_->direct) {
            double volume = 0;
            std::vector<double> at_rank(static_cast<std::size_t>(graph_->ranks), 0);
            for (std::size_t h = 0; h < graph_->hops.size(); ++h) {
                const double width = graph_->width(static_cast<int>(h), room_);
                volume += width;
                at_rank[static_cast<std::size_t>(graph_->hops[h].parent)] += width;
                at_rank[static_cast<std::size_t>(graph_->hops[h].child)] += width;
            }
            least = std::min(least, std::floor(volume / (graph_->ranks - 1) + 1e-9));
            if (!graph_->directed()) { least = std::min(least, *std::min_element(at_rank.begin(), at_rank.end())); }
        }
        return least;
    }

    /// The last tree: any over hops that are wide enough, an arborescence as flat as these allow.
    bool any_tree(double rate) {
        hop_tree tree;
        const auto wide = [&](std::size_t h) { return graph_->width(static_cast<int>(h), room_) >= rate; };
        if (graph_->directed()) {
            std::vector<int> level(static_cast<std::size_t>(graph_->ranks), -1);
            level[static_cast<std::size_t>(graph_->root)] = 0;
            for (int depth = 0; depth < max_depth_; ++depth) {
                for (std::size_t h = 0; h < graph_->hops.size(); ++h) {
                    const tree_hop& hop = graph_->hops[h];
                    int& child = level[static_cast<std::size_t>(hop.child)];
                    if (level[static_cast<std::size_t>(hop.parent)] != depth || child >= 0 || !wide(h)) { continue; }
                    child = depth + 1;
                    tree.push_back(static_cast<int>(h));
                }
            }
            std::sort(tree.begin(), tree.end());
        } else {
            for (std::size_t h = 0; h < cost_.size(); ++h) {
                cost_[h] = wide(h) ? 1 : std::numeric_limits<double>::infinity();
            }
            tree = cheapest_.find(cost_);
        }
        if (static_cast<int>(tree.size()) + 1 < graph_->ranks) { return false; }
        chosen_.push_back({std::move(tree), rate});
        return true;
    }

    /// Near the root of the search an exact answer saves more than it costs.
    bool promising(int count, double target) {
        constexpr int worth_asking = 4; // trees to go
        constexpr int price = 500;      // in candidates looked at
        if (!graph_->direct || count < worth_asking) { return true; }
        left_ -= price;
        return ahead_.carries(room_, target);
    }

    /// `count` trees cannot carry more than each of the widest alone; the last may be no candidate, but none carries
    /// more than the first.
    [[nodiscard]] static bool enough(const std::vector<std::pair<double, int>>& widest_first, int count,
                                     double target) {
        if (widest_first.empty()) { return false; }
        double sum = -widest_first.front().first;
        for (std::size_t i = 0; i < widest_first.size() && static_cast<int>(i) + 1 < count; ++i) {
            sum -= widest_first[i].first;
        }
        return sum >= target;
    }

    bool search(int count, double target, int last, double last_rate) {
        left_ -= static_cast<int>(pool_.size()) + 1;
        if (left_ <= 0) { return false; }
        const double least = std::ceil(target / count - 1e-9);
        if (least > last_rate) { return false; }
        if (count == 1 && graph_->direct) { return any_tree(target); }
        std::vector<std::pair<double, int>> fitting;
        for (std::size_t i = 0; i < pool_.size(); ++i) {
            const double rate = std::min({std::floor(pool_[i].fit(room_) + 1e-9), last_rate, target});
            if (rate > 0) { fitting.emplace_back(-rate, static_cast<int>(i)); }
        }
        std::stable_sort(fitting.begin(), fitting.end(),
                         [](const auto& a, const auto& b) { return a.first < b.first; });
        if (!enough(fitting, count, target)) { return false; }
        for (const auto& [negated, i] : fitting) {
            if (-negated < least) { break; }
            const candidate_tree& tree = pool_[static_cast<std::size_t>(i)];
            for (double rate = -negated; rate >= least; --rate) {
                if (rate == last_rate && i <= last) { continue; }
                --left_;
                tree.take(room_, rate);
                chosen_.push_back({tree.hops, rate});
                const bool done = rate >= target;
                const bool found =
                    done || (count > 1 && ceiling() >= target - rate && promising(count - 1, target - rate) &&
                             search(count - 1, target - rate, i, rate));
                tree.take(room_, -rate);
                if (found) { return true; }
                chosen_.pop_back();
                if (left_ <= 0) { return false; }
            }
        }
        return false;
    }

    const hop_graph* graph_;
    std::span<const candidate_tree> pool_;
    Eigen::ArrayXd room_;
    cheapest_tree cheapest_;
    std::vector<double> cost_;
    std::vector<std::vector<int>> gates_;
    std::vector<chosen_tree> chosen_;
    int budget_;
    int max_depth_;
    lookahead ahead_{*graph_};
    int left_ = 0;
};

} // namespace blink
