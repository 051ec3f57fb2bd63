// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "options.hpp"

#include <blink/core/text.hpp>
#include <blink/topology/machines.hpp>

#include <CLI/CLI.hpp>

#include <initializer_list>
#include <regex>
#include <sstream>
#include <utility>

namespace blink_plan {
namespace {

std::string footer() {
    std::string names;
    for (const std::string& n : blink::machine_names()) { names += " " + n; }
    return "\nMachines by name:" + names + R"(,
and K boxes as dgx_a100xK or hgx_h100xK. A file holds Blink's topology JSON, NCCL's topology XML
(NCCL_TOPO_DUMP_FILE) or the text of `nvidia-smi topo -m`; '-' reads it from the standard input.

Examples:
  blink-plan --topology dgx1v --ranks 0,1,4,5
  blink-plan --topology dgx1v --ranks 1,4,6 --relays all
  blink-plan --topology dgx1v --collective broadcast --root 0 --format json
  blink-plan --topology dgx1v --collective broadcast --root 0 --without 0-3:1
  blink-plan --topology dgx1v --advise 4
  nvidia-smi topo -m | blink-plan --topology - --simulate 64M
  blink-plan --topology dgx1v --format svg --output trees.svg
  blink-plan --topology dgx1v --format nccl-xml --output topo.xml     (the machine, for NCCL_TOPO_FILE)

Exit status: 0; 2 wrong usage, or a thing that is not built yet; 3 no plan; 4 no topology could be read.)";
}

template <class T>
using named_values = std::initializer_list<std::pair<const char*, T>>;

/// The value of `names` at `text`; `option` goes into the message.
template <class T>
T choice(const std::string& option, const std::string& text, named_values<T> names) {
    std::string expected;
    for (const auto& [name, value] : names) {
        if (name == text) { return value; }
        expected += (expected.empty() ? "" : ", ") + std::string(name);
    }
    throw blink::usage_error(option + " '" + text + "': expected one of " + expected);
}

/// Reads `0-3:1,2-6`.
std::vector<lost_wires> parse_lost(const std::string& text) {
    std::vector<lost_wires> lost;
    std::istringstream items(text.ends_with(',') ? text + "," : text);
    for (std::string item; std::getline(items, item, ',');) {
        const std::regex form(R"((\d{1,4})-(\d{1,4})(?::(\d{1,4}))?)");
        std::smatch found;
        if (!std::regex_match(item, found, form) || (found[3].matched && std::stoi(found[3]) == 0)) {
            throw blink::usage_error("--without " + text + ": expected A-B or A-B:COUNT, such as 0-3 or 0-3:1");
        }
        lost.push_back({std::stoi(found[1]), std::stoi(found[2]), found[3].matched ? std::stoi(found[3].str()) : 0});
    }
    return lost;
}

} // namespace

std::variant<options, help_text> parse_options(int argc, const char* const* argv) {
    options o;
    std::string ranks, collective = "allreduce", links = "auto", relays, without, simulate, format = "text";
    int root = 0;
    int choose = 0;
    blink::pack_options& pack = o.planning.pack;

    CLI::App app{"Plans a collective: packs spanning trees into the wires between GPUs, and shows the bound.",
                 "blink-plan"};
    app.footer(footer());
    app.set_version_flag("--version", "blink-plan " BLINK_TOOL_VERSION);
    const auto word = [&](const char* name, std::string& into, const char* what, const char* kind) {
        return app.add_option(name, into, what)->type_name(kind);
    };
    word("--topology", o.topology, "probe (this machine), a machine's name, or a file", "WHAT")->capture_default_str();
    word("--ranks", ranks, "GPUs that take part, such as 0,1,4 or 0-3 (default: all)", "LIST");
    word("--collective", collective, "broadcast, reduce, allreduce, allgather or reduce_scatter", "NAME")
        ->capture_default_str();
    auto* root_option =
        app.add_option("--root", root, "GPU that broadcasts, or gets the reduction (default: the best)");
    word("--links", links, "auto, nvlink, pcie or all", "KIND")->capture_default_str();
    auto* slack = app.add_option("--slack", pack.slack, "share of the bound given up for fewer and flatter trees")
                      ->type_name("SHARE")
                      ->capture_default_str();
    auto* most = app.add_option("--max-trees", pack.max_trees, "at most so many trees (default: as the slack asks)");
    word("--relays", relays, "GPUs outside the ranks that may forward, such as 2,3, or all of them", "LIST|all");
    auto* advise = app.add_option("--advise", choose, "which K of the ranks to give out: best, worst and mean rate")
                       ->type_name("K");
    word("--without", without, "repair the plan for lost wires: all of A-B, or COUNT of them", "A-B[:COUNT],...");
    word("--simulate", simulate, "model the time for so many bytes, such as 64M, beside ring and chain", "BYTES");
    app.add_flag("--dial", o.dial, "what several settings of --slack and --max-trees give, side by side");
    word("--format", format,
         "text, json, dot or svg; msccl or mscclpp: for those executors; nccl-xml: the machine alone", "NAME")
        ->capture_default_str();
    word("--output", o.output, "file to write (default: the standard output)", "FILE");

    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) { return help_text{app.help()}; } catch (const CLI::CallForVersion&) {
        return help_text{app.version() + "\n"};
    } catch (const CLI::ParseError& e) { throw blink::usage_error(std::string(e.what()) + " (see blink-plan --help)"); }

    o.kind = blink::collective_from(collective);
    if (!(pack.slack >= 0 && pack.slack < 1)) {
        throw blink::usage_error("--slack: expected a share from 0 to below 1");
    }
    if (most->count() > 0 && pack.max_trees < 1) { throw blink::usage_error("--max-trees: expected 1 or more"); }
    o.planning.links = choice<blink::link_choice>("--links", links,
                                                  {{"auto", blink::link_choice::automatic},
                                                   {"nvlink", blink::link_choice::nvlink},
                                                   {"pcie", blink::link_choice::pcie},
                                                   {"all", blink::link_choice::all}});
    o.format = choice<output_format>("--format", format,
                                     {{"text", output_format::text},
                                      {"json", output_format::json},
                                      {"dot", output_format::dot},
                                      {"svg", output_format::svg},
                                      {"nccl-xml", output_format::nccl_xml},
                                      {"msccl", output_format::msccl},
                                      {"mscclpp", output_format::mscclpp}});
    const bool words = o.format == output_format::text || o.format == output_format::json;
    if (o.dial) {
        if (slack->count() + most->count() > 0) {
            throw blink::usage_error("--dial turns --slack and --max-trees itself: leave them out");
        }
        if (!simulate.empty()) { throw blink::usage_error("--dial shows no times: leave --simulate out"); }
        if (advise->count() > 0 || !without.empty()) {
            throw blink::usage_error("--dial shows no choices and no repairs: leave --advise and --without out");
        }
        if (!words) { throw blink::usage_error("--dial needs --format text or json, which can show a table"); }
    }
    if (!ranks.empty()) { o.ranks = blink::parse_ranks(ranks); }
    o.every_relay = relays == "all";
    if (!relays.empty() && !o.every_relay) { o.planning.relays = blink::parse_ranks(relays); }
    if (!relays.empty() && (o.format == output_format::msccl || o.format == output_format::mscclpp)) {
        throw blink::usage_error("--relays: the executors of --format " + format + " know no GPUs that only forward");
    }
    if (root_option->count() > 0) { o.root = root; }
    if (advise->count() > 0) {
        o.advise = choose;
        if (!words) { throw blink::usage_error("--advise needs --format text or json"); }
        const bool fixed = root_option->count() > 0 || !relays.empty() || !without.empty() || !simulate.empty();
        if (fixed) { throw blink::usage_error("--advise goes without --root, --relays, --without and --simulate"); }
    }
    if (!without.empty()) {
        o.without = parse_lost(without);
        if (!words) { throw blink::usage_error("--without needs --format text or json, which can show a change"); }
        if (!simulate.empty()) { throw blink::usage_error("--without and --simulate: expected one of them"); }
    }
    if (!simulate.empty()) {
        o.simulate = blink::parse_bytes(simulate);
        if (*o.simulate == 0) { throw blink::usage_error("--simulate 0: expected at least one byte"); }
        if (!words) { throw blink::usage_error("--simulate needs --format text or json, which can show times"); }
    }
    return o;
}

} // namespace blink_plan
