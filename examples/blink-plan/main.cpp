// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// blink-plan: topology -> packing -> schedule, to read and to script.
#include <blink/advise.hpp>
#include <blink/core/text.hpp>
#include <blink/repair.hpp>
#include <blink/schedule/write_msccl_xml.hpp>
#include <blink/schedule/write_mscclpp_json.hpp>
#include <blink/topology/source.hpp>
#include <blink/topology/write_nccl_xml.hpp>

#include <algorithm>
#include <exception>
#include <fstream>
#include <iostream>
#include <numeric>
#include <string>

#include "dial.hpp"
#include "options.hpp"
#include "reach.hpp"
#include "report.hpp"
#include "report_advice.hpp"
#include "report_json.hpp"
#include "report_picture.hpp"
#include "report_repair.hpp"
#include "report_text.hpp"
#include "simulation.hpp"

namespace {

using namespace blink_plan;

constexpr int wrong_usage = 2;
constexpr int no_plan = 3;
constexpr int no_topology = 4;

std::vector<int> chosen_gpus(const options& o, const blink::topology& machine) {
    if (!o.ranks.empty()) { return o.ranks; }
    std::vector<int> all(static_cast<std::size_t>(machine.gpu_count()));
    std::iota(all.begin(), all.end(), 0);
    return all;
}

/// What the plan may use; of `--relays all` the GPUs that take no part.
blink::plan_options planning(const options& o, const blink::topology& machine, const std::vector<int>& gpus) {
    blink::plan_options p = o.planning;
    for (int v = 0; o.every_relay && v < machine.gpu_count(); ++v) {
        if (std::ranges::find(gpus, v) == gpus.end()) { p.relays.push_back(v); }
    }
    return p;
}

/// The rank of the GPU that the user named as root.
int root_rank(const options& o, const std::vector<int>& gpus) {
    if (!o.root) { return blink::best_root; }
    const auto found = std::ranges::find(gpus, *o.root);
    if (found == gpus.end()) {
        throw blink::usage_error("--root " + std::to_string(*o.root) + " is none of the ranks " +
                                 blink::format_ranks(gpus));
    }
    return static_cast<int>(found - gpus.begin());
}

/// What the executor of an exported plan calls it.
std::string algorithm_name(const report& r) {
    return "blink " + r.plan.machine.name() + " " + std::string(to_string(r.plan.schedule.kind)) + " " +
           blink::format_ranks(r.plan.gpus);
}

std::string rendered(const options& o, const report& r) {
    switch (o.format) {
    case output_format::json:
        return to_json(r).dump(2) + "\n";
    case output_format::dot:
        return to_dot(r);
    case output_format::svg:
        return to_svg(r);
    case output_format::msccl:
        return blink::write_msccl_xml(r.plan.schedule, {.name = algorithm_name(r)});
    case output_format::mscclpp:
        return blink::write_mscclpp_json(r.plan.schedule, {.name = algorithm_name(r)});
    case output_format::text:
    case output_format::nccl_xml: // needs no plan
        break;
    }
    return to_text(r);
}

void deliver(const options& o, const std::string& text) {
    if (o.output.empty()) {
        std::cout << text << std::flush;
        return;
    }
    std::ofstream file(o.output, std::ios::binary);
    file << text << std::flush;
    if (!file) { throw blink::usage_error("--output " + o.output + ": cannot write this file"); }
}

/// Text or JSON of what the user asked for.
template <class Report>
void deliver_words(const options& o, const Report& r) {
    deliver(o, o.format == output_format::json ? to_json(r).dump(2) + "\n" : to_text(r));
}

int say(int status, const std::string& what) {
    std::cerr << "blink-plan: " << what << '\n';
    return status;
}

int run(int argc, const char* const* argv) {
    const auto parsed = parse_options(argc, argv);
    if (const auto* help = std::get_if<help_text>(&parsed)) {
        std::cout << help->text;
        return 0;
    }
    const options& o = std::get<options>(parsed);
    const blink::topology machine = blink::topology_from(o.topology);
    const std::vector<int> gpus = chosen_gpus(o, machine);
    if (o.advise) {
        deliver_words(o, advice_report{machine.name(), blink::advise(machine, gpus, *o.advise, o.kind, o.planning)});
        return 0;
    }
    const int root = root_rank(o, gpus);
    if (o.format == output_format::nccl_xml) {
        deliver(o, blink::write_nccl_xml(o.ranks.empty() ? machine : blink::induced(machine, gpus)));
        return 0;
    }
    const blink::plan_options how = planning(o, machine, gpus);
    blink::topology less = machine;
    for (const lost_wires& l : o.without) { less = blink::without_wires(less, l.a, l.b, l.count); }
    try {
        if (o.dial) {
            deliver_words(o, turn_dial(machine, gpus, o.kind, root, how));
            return 0;
        }
        if (!o.without.empty()) {
            const blink::plan before = blink::make_plan(machine, gpus, o.kind, root, how);
            deliver_words(o, repair_report{before, o.without, blink::repair_plan(before, less, how.pack)});
            return 0;
        }
        report r{blink::make_plan(machine, gpus, o.kind, root, how), 0, {}};
        if (o.simulate && gpus.size() > 1) { simulate_into(r, *o.simulate); }
        deliver(o, rendered(o, r));
    } catch (const blink::plan_error& e) {
        const std::string reason = no_path_in_words(less, gpus, how.relays, how.links);
        return say(no_plan, reason.empty() ? e.what() : reason);
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const blink::topology_error& e) {
        return say(no_topology, e.what());
    } catch (const blink::usage_error& e) { return say(wrong_usage, e.what()); } catch (const std::exception& e) {
        return say(1, e.what());
    }
}
