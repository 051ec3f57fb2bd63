// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A whole plan as JSON: printed for scripts, saved, and loaded again.
///
/// The document is the object that `blink-plan --format json` prints, in which ranks are the machine's GPUs as given,
/// with more members from which the plan is rebuilt: `machine` (Blink's topology JSON), `links`, the `hops` of each
/// tree, and `schedule`, in which ranks count from 0 in the order of `ranks` and hops are those of the fabric that
/// `machine`, `ranks` and `links` give, followed by those of `routes`, where there are any. What was loaded is verified
/// before anybody gets it.
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/json.hpp>
#include <blink/packing/check.hpp>
#include <blink/packing/packing.hpp>
#include <blink/plan.hpp>
#include <blink/schedule/load.hpp>
#include <blink/schedule/schedule_json.hpp>
#include <blink/schedule/verify.hpp>
#include <blink/topology/read_json.hpp>
#include <blink/topology/write_json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace blink {

inline constexpr std::array link_choice_names{std::string_view{"auto"}, std::string_view{"nvlink"},
                                              std::string_view{"pcie"}, std::string_view{"all"}};

[[nodiscard]] constexpr std::string_view to_string(link_choice c) noexcept {
    return link_choice_names[static_cast<std::size_t>(c)];
}

namespace detail {

[[nodiscard]] inline json::value tree_json(const plan& p, const packed_tree& t) {
    const auto gpu = [&p](int rank) { return p.gpus.at(static_cast<std::size_t>(rank)); };
    json::array edges;
    json::array hops;
    json::array relays;
    for (const tree_edge& e : t.edges) {
        edges.emplace_back(json::array{gpu(e.parent), gpu(e.child)});
        hops.emplace_back(json::array{e.down, e.up});
        if (p.relays.empty()) { continue; }
        json::array ways;
        for (const int hop : {e.down, e.up}) {
            ways.push_back(json::value::list(hop == -1 ? std::vector<int>{} : relays_on(p, hop)));
        }
        relays.emplace_back(std::move(ways));
    }
    json::object o{{"root", gpu(t.root)},
                   {"GBps", t.GBps},
                   {"depth", depth(t, static_cast<int>(p.gpus.size()))},
                   {"edges", std::move(edges)},
                   {"hops", std::move(hops)}};
    if (!p.relays.empty()) { o.emplace_back("relays", std::move(relays)); }
    return o;
}

} // namespace detail

/// The object of the `blink-plan --format json` contract, without what only loading needs. `root` is null for a
/// collective without one; a tree's `hops` are its edges' hops [down, up], -1 where no data flow. With relays there is
/// a member `relays`, the GPUs that may forward, and one in each tree: those on each edge's hops, [[down], [up]].
[[nodiscard]] inline json::object plan_report(const plan& p) {
    const auto gpu = [&p](int rank) { return p.gpus.at(static_cast<std::size_t>(rank)); };
    json::array parts;
    for (const std::vector<int>& part : p.packing.bound.parts) {
        json::array gpus;
        for (const int rank : part) { gpus.emplace_back(gpu(rank)); }
        parts.emplace_back(std::move(gpus));
    }
    json::array trees;
    for (const packed_tree& t : p.packing.trees) { trees.push_back(detail::tree_json(p, t)); }
    const weights_report& w = p.packing.weights;
    json::object o{{"topology", p.machine.name()},
                   {"ranks", json::value::list(p.gpus)},
                   {"collective", to_string(p.packing.kind)},
                   {"root", is_rooted(p.packing.kind) ? json::value(gpu(p.packing.root)) : json::value()},
                   {"rate_GBps", p.packing.GBps},
                   {"bound_GBps", p.packing.bound.GBps},
                   {"bottleneck", json::object{{"parts", std::move(parts)}, {"GBps", p.packing.bound.GBps}}},
                   {"mwu", json::object{{"epsilon", w.epsilon},
                                        {"iterations", w.iterations},
                                        {"candidates", w.candidates},
                                        {"rate_GBps", w.GBps}}},
                   {"trees", std::move(trees)},
                   {"seconds", p.seconds}};
    if (!p.relays.empty()) { o.emplace_back("relays", json::value::list(p.relays)); }
    return o;
}

namespace detail {

/// The hops of a plan that its machine's fabric does not have by itself: ranks from 0, links as in the fabric.
[[nodiscard]] inline json::array routes_json(const plan& p) {
    json::array routes;
    const std::size_t own =
        plan_fabric(p.machine, p.gpus, p.relays, p.links, p.packing.kind, p.packing.root).arcs.size();
    for (std::size_t i = own; i < p.fabric.arcs.size(); ++i) {
        const arc& a = p.fabric.arcs[i];
        routes.emplace_back(json::object{{"from", a.from}, {"to", a.to}, {"links", json::value::list(a.route)}});
    }
    return routes;
}

} // namespace detail

/// The whole plan: `plan_report` and what loading needs.
[[nodiscard]] inline json::value to_json(const plan& p) {
    json::object o = plan_report(p);
    o.emplace_back("links", to_string(p.links));
    if (json::array routes = detail::routes_json(p); !routes.empty()) { o.emplace_back("routes", std::move(routes)); }
    o.emplace_back("schedule", to_json(p.schedule));
    o.emplace_back("machine", to_json(p.machine));
    return o;
}

namespace detail {

/// Reads a plan; each method reads a part and throws `json::format_error` at the line that is wrong.
class plan_reader {
  public:
    explicit plan_reader(const json::value& document) : d_(document) {}

    [[nodiscard]] plan read() const {
        plan p{at_line("machine", [&](const json::value& v) { return topology_from(v); }), {}, {}, {}, {}, {}, 0};
        p.links = links();
        p.gpus = at_line("ranks", [&](const json::value& v) { return ints(v, 0, p.machine.gpu_count() - 1); });
        if (const json::value* v = d_.find("relays"); v != nullptr) {
            p.relays = ints(*v, 0, p.machine.gpu_count() - 1);
        }
        const collective kind = kind_named();
        const json::value& root = d_.at("root");
        const int rank = root.is_null() ? 0 : rank_of(p, root);
        p.fabric = at_line(p.relays.empty() ? "ranks" : "relays", [&](const json::value&) {
            return plan_fabric(p.machine, p.gpus, p.relays, p.links, kind, rank);
        });
        add_routes(p.fabric);
        p.schedule = at_line("schedule", [&](const json::value& v) { return schedule_from(v); });
        p.packing = packed(p);
        p.seconds = d_.at("seconds").as_number();
        check(p);
        return p;
    }

  private:
    /// Gives other errors the line of the member that they are about.
    template <class Function>
    auto at_line(std::string_view name, Function f) const -> decltype(f(std::declval<const json::value&>())) {
        const json::value& v = d_.at(name);
        try {
            return f(v);
        } catch (const json::format_error&) { throw; } catch (const error& e) {
            throw json::format_error(v.line(), "\"" + std::string(name) + "\": " + e.what());
        }
    }

    [[nodiscard]] static int rank_of(const plan& p, const json::value& v) {
        const auto at = std::ranges::find(p.gpus, v.as_int(0, p.machine.gpu_count() - 1));
        if (at == p.gpus.end()) {
            throw json::format_error(v.line(), "found GPU " + v.dump() + ", expected one of \"ranks\"");
        }
        return static_cast<int>(at - p.gpus.begin());
    }

    [[nodiscard]] link_choice links() const {
        const json::value& v = d_.at("links");
        const auto at = std::ranges::find(link_choice_names, v.as_string());
        if (at == link_choice_names.end()) {
            throw json::format_error(v.line(), "found " + v.dump() + ", expected auto, nvlink, pcie or all");
        }
        return static_cast<link_choice>(at - link_choice_names.begin());
    }

    /// Plans of machines without other routes have no such member.
    void add_routes(fabric& f) const {
        const json::value* routes = d_.find("routes");
        if (routes == nullptr) { return; }
        for (const json::value& v : routes->as_array()) {
            try {
                add_hop(f, {v.at("from").as_int(0, f.ranks - 1), v.at("to").as_int(0, f.ranks - 1),
                            ints(v.at("links"), 0, static_cast<int>(f.links.size()) - 1)});
            } catch (const json::format_error&) { throw; } catch (const error& e) {
                throw json::format_error(v.line(), std::string("\"routes\": ") + e.what());
            }
        }
    }

    [[nodiscard]] collective kind_named() const {
        return at_line("collective", [](const json::value& v) { return collective_from(v.as_string()); });
    }

    [[nodiscard]] packing packed(const plan& p) const {
        packing result;
        result.kind = kind_named();
        result.ranks = static_cast<int>(p.gpus.size());
        const json::value& root = d_.at("root");
        result.root = root.is_null() ? p.schedule.root : rank_of(p, root);
        result.GBps = d_.at("rate_GBps").as_number();
        const json::value& bottleneck = d_.at("bottleneck");
        result.bound.GBps = bottleneck.at("GBps").as_number();
        for (const json::value& part : bottleneck.at("parts").as_array()) {
            result.bound.parts.emplace_back();
            for (const json::value& v : part.as_array()) { result.bound.parts.back().push_back(rank_of(p, v)); }
        }
        const json::value& mwu = d_.at("mwu");
        constexpr int many = std::numeric_limits<int>::max();
        result.weights = {mwu.at("epsilon").as_number(), mwu.at("iterations").as_int(0, many),
                          mwu.at("candidates").as_int(0, many), mwu.at("rate_GBps").as_number()};
        for (const json::value& t : d_.at("trees").as_array()) { result.trees.push_back(tree(p, t)); }
        return result;
    }

    [[nodiscard]] static packed_tree tree(const plan& p, const json::value& v) {
        packed_tree t{rank_of(p, v.at("root")), v.at("GBps").as_number(), {}};
        const json::array& edges = v.at("edges").as_array();
        const json::array& hops = v.at("hops").as_array();
        if (edges.size() != hops.size()) {
            throw json::format_error(v.at("hops").line(), "found " + std::to_string(hops.size()) +
                                                              " hops, expected one pair for each of the " +
                                                              std::to_string(edges.size()) + " edges");
        }
        for (std::size_t i = 0; i < edges.size(); ++i) {
            const json::array& edge = two(edges[i]);
            const json::array& hop = two(hops[i]);
            const int last = static_cast<int>(p.fabric.arcs.size()) - 1;
            t.edges.push_back(
                {rank_of(p, edge[0]), rank_of(p, edge[1]), hop[0].as_int(-1, last), hop[1].as_int(-1, last)});
        }
        return t;
    }

    [[nodiscard]] static const json::array& two(const json::value& v) {
        if (v.as_array().size() != 2) { throw json::format_error(v.line(), "found " + v.dump() + ", expected a pair"); }
        return v.as_array();
    }

    /// A plan that promises what it does not keep is worse than none.
    void check(const plan& p) const {
        at_line("trees", [&](const json::value&) { blink::check(p.packing, p.fabric); });
        at_line("schedule", [&](const json::value& v) {
            if (p.schedule.kind != p.packing.kind || p.schedule.ranks != p.packing.ranks) {
                throw json::format_error(v.line(), "found a schedule for another collective or other ranks");
            }
            verify(p.schedule);
            verify_load(p.schedule, p.fabric, p.packing);
        });
    }

    const json::value& d_;
};

} // namespace detail

/// Reads and verifies a plan.
/// @param file what errors call the text
/// @throw plan_error with the file, the line, what was found and what was expected
[[nodiscard]] inline plan plan_from_json(std::string_view text, std::string_view file) {
    try {
        const json::value document = json::parse(text);
        return detail::plan_reader(document).read();
    } catch (const json::format_error& e) {
        throw plan_error(std::string(file) + ":" + std::to_string(e.line()) + ": " + e.found_and_expected());
    }
}

/// Writes the plan to the file `path`, in place of what was there.
/// @throw plan_error where that fails
inline void save_plan(const std::string& path, const plan& p) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << to_json(p).dump(2) << '\n';
    out.close();
    if (!out) { throw plan_error(path + ": the plan cannot be written"); }
}

/// @throw plan_error where the file cannot be read, and as `plan_from_json`
[[nodiscard]] inline plan load_plan(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (!in.is_open() || in.bad()) { throw plan_error(path + ": the plan cannot be read"); }
    return plan_from_json(text, path);
}

} // namespace blink
