// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "options.hpp"

#include <blink/core/text.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>
#include <system_error>

namespace blink_perf {
namespace {

constexpr const char* footer = R"(
The options are those of nccl-tests where they mean the same. Example:
  blink-perf all_reduce -b 8 -e 128M -f 2 -g 8

Exit status: 0; 1 wrong elements, or a run that failed; 2 wrong usage, or a thing that is not built or not there;
3 no plan; 4 no topology could be read.)";

/// What was typed, before it is understood.
struct typed {
    std::string collective, min_bytes = "32M", max_bytes = "32M", step_bytes = "1M", type = "float", op = "sum";
    std::string executor = "auto", ranks, relays, chunk = "auto", how = "auto", compare, iterations = "20";
    int threads = 1, aggregate = 1, graphs = -1;
};

constexpr std::array movement_names{std::string_view{}, std::string_view{"gather"}, std::string_view{"scatter"},
                                    std::string_view{"alltoall"}, std::string_view{"sendrecv"}};

movement movement_named(const std::string& name) {
    const auto found = std::ranges::find(movement_names, std::string_view(name));
    return found == movement_names.end() ? movement::none : static_cast<movement>(found - movement_names.begin());
}

blink::collective collective_named(const std::string& name) {
    for (const std::string_view known : blink::collective_names) {
        const auto kind = blink::collective_from(known);
        if (name == nccl_name(kind) || name == blink::to_string(kind)) { return kind; }
    }
    throw blink::usage_error("unknown collective '" + name +
                             "': expected all_reduce, broadcast, reduce, all_gather, reduce_scatter, gather, scatter, "
                             "alltoall or sendrecv");
}

executor executor_named(const std::string& name) {
    if (name == "auto") { return executor::automatic; }
    if (name == "cuda") { return executor::cuda; }
    if (name == "host") { return executor::host; }
    if (name == "simulate") { return executor::simulate; }
    throw blink::usage_error("--executor '" + name + "': expected cuda, host or simulate");
}

void refuse_what_is_not_built(const typed& t) {
    if (t.threads != 1) { throw blink::usage_error("-t: one thread drives all GPUs; give their number with -g"); }
    if (t.aggregate != 1) { throw blink::usage_error("-m: aggregated calls are not built yet"); }
    if (!t.compare.empty() && t.compare != "nccl" && t.compare != "nccl,window") {
        throw blink::usage_error("--compare '" + t.compare + "': expected nccl, or nccl,window");
    }
}

/// @throw blink::usage_error unless `text` is auto, which gives 0, or a number of calls
int calls_named(const std::string& text) {
    if (text == "auto") { return 0; }
    constexpr int most = 1000000;
    int calls = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), calls);
    if (error != std::errc{} || end != text.data() + text.size() || calls < 1 || calls > most) {
        throw blink::usage_error("-n '" + text + "': expected auto, or a number of calls from 1 to " +
                                 std::to_string(most));
    }
    return calls;
}

void refuse_processes_with(const options& o) {
    if (!o.processes) { return; }
    const auto refuse = [](const std::string& what) {
        throw blink::usage_error("--processes: " + what + " needs one process for all ranks");
    };
    if (o.run_on == executor::host || o.run_on == executor::simulate) {
        throw blink::usage_error("--processes needs --executor cuda");
    }
    if (o.emulate) { refuse("--emulate"); }
    if (o.virtual_ranks > 0) { refuse("--virtual-ranks"); }
    if (!o.tune.empty()) { refuse("--tune"); }
    if (!o.relays.empty()) { refuse("--relays"); }
}

void understand(const typed& t, options& o) {
    refuse_what_is_not_built(t);
    o.moves = movement_named(t.collective);
    o.kind = o.moves == movement::none ? collective_named(t.collective) : blink::collective::broadcast;
    o.min_bytes = blink::parse_bytes(t.min_bytes);
    o.max_bytes = blink::parse_bytes(t.max_bytes);
    o.step_bytes = blink::parse_bytes(t.step_bytes);
    if (o.max_bytes < o.min_bytes) {
        throw blink::usage_error("-e " + t.max_bytes + " is less than -b " + t.min_bytes);
    }
    if (o.factor == 0 && o.step_bytes == 0) { throw blink::usage_error("-i 0: expected a step of at least one byte"); }
    if (o.factor != 0 && o.factor <= 1) { throw blink::usage_error("-f: expected a factor above 1"); }
    o.types = t.type == "all" ? std::vector<element_type>{} : std::vector{type_from(t.type)};
    o.operators = t.op == "all" ? all_of<reduction>(reduction_names) : std::vector{reduction_from(t.op)};
    o.run_on = executor_named(t.executor);
    if (!t.ranks.empty()) { o.gpus = blink::parse_ranks(t.ranks); }
    if (!t.relays.empty()) { o.relays = blink::parse_ranks(t.relays); }
    if (t.chunk != "auto") {
        o.chunk = blink::parse_bytes(t.chunk);
        if (o.chunk == 0) { throw blink::usage_error("--chunk 0: expected auto or a size of at least one byte"); }
    }
    o.how = blink::protocol_from(t.how);
    o.compare_nccl = !t.compare.empty();
    o.compare_windows = t.compare == "nccl,window";
    o.iterations = calls_named(t.iterations);
    o.graphs = t.graphs >= 0 ? t.graphs : o.iterations == 0 ? automatic_replays : 0;
    refuse_processes_with(o);
    if (o.emulate && (o.run_on == executor::host || o.run_on == executor::simulate)) {
        throw blink::usage_error("--emulate needs --executor cuda");
    }
    if (!o.tune.empty() && (o.emulate || o.run_on == executor::host || o.run_on == executor::simulate)) {
        throw blink::usage_error("--tune: the tuning is that of real GPUs, so it needs --executor cuda alone");
    }
    if (!o.tune.empty() && o.kind != blink::collective::allreduce) {
        throw blink::usage_error("--tune: the tuning is found with all_reduce");
    }
    if (o.moves != movement::none && (o.emulate || o.run_on == executor::simulate)) {
        throw blink::usage_error(t.collective + " is not built for --emulate and --executor simulate");
    }
    if (o.emulate && o.compare_nccl) { throw blink::usage_error("--compare nccl: NCCL runs on no emulated links"); }
    if (!o.emulate && o.link_scale != 1) { throw blink::usage_error("--link-scale needs --emulate"); }
}

} // namespace

std::string nccl_name(blink::collective kind) {
    if (kind == blink::collective::allreduce) { return "all_reduce"; }
    return kind == blink::collective::allgather ? "all_gather" : std::string(blink::to_string(kind));
}

std::string nccl_name(const options& o) {
    return o.moves == movement::none ? nccl_name(o.kind)
                                     : std::string(movement_names[static_cast<std::size_t>(o.moves)]);
}

std::vector<std::size_t> sizes(const options& o) {
    std::vector<std::size_t> list;
    for (std::size_t s = o.min_bytes; s <= o.max_bytes;) {
        list.push_back(s);
        const auto grown = static_cast<std::size_t>(static_cast<double>(s) * o.factor);
        s = o.factor > 1 ? std::max(s + 1, grown) : s + o.step_bytes;
    }
    return list;
}

std::variant<options, help_text> parse_options(int argc, const char* const* argv) {
    options o;
    typed t;
    CLI::App app{"Measures a collective and checks every element, in the manner of nccl-tests.", "blink-perf"};
    app.footer(footer);
    app.add_option("collective", t.collective,
                   "all_reduce, broadcast, reduce, all_gather, reduce_scatter, gather, scatter, alltoall or sendrecv")
        ->required();
    app.add_option("-b,--minbytes", t.min_bytes, "smallest size, such as 8 or 64K")->capture_default_str();
    app.add_option("-e,--maxbytes", t.max_bytes, "largest size")->capture_default_str();
    app.add_option("-f,--stepfactor", o.factor, "factor from size to size");
    app.add_option("-i,--stepbytes", t.step_bytes, "step from size to size, without a factor")->capture_default_str();
    app.add_option("-g,--ngpus", o.ranks, "number of ranks (default: every GPU)")->check(CLI::Range(1, 1024));
    app.add_option("-t,--nthreads", t.threads, "1: one thread drives all GPUs; see --processes")->capture_default_str();
    app.add_option(
           "-n,--iters", t.iterations,
           "measured calls; auto: 100 up to 256 KiB, 50 up to 4 MiB, else 20, in a graph that is replayed 8 times "
           "unless -G says otherwise")
        ->capture_default_str();
    app.add_option("-w,--warmup_iters", o.warmup,
                   "calls before the measured ones; on streams of GPUs, repeated for 20 ms")
        ->check(CLI::Range(0, 1000000))
        ->capture_default_str();
    app.add_option("-m,--agg_iters", t.aggregate, "not built yet: calls a group");
    app.add_option("-c,--check", o.check, "1: check every element; 0: do not")->capture_default_str();
    app.add_option("-d,--datatype", t.type,
                   "int8 uint8 int32 uint32 int64 uint64 half float double bfloat16 fp8_e4m3 fp8_e5m2, or all")
        ->capture_default_str();
    app.add_option("-o,--op", t.op, "sum prod min max avg mulsum (a sum of doubled contributions), or all")
        ->capture_default_str();
    app.add_option("-r,--root", o.root, "rank of the root; -1: each in turn")->capture_default_str();
    app.add_option("-G,--cudagraph", t.graphs,
                   "replay the measured calls so many times as a CUDA graph; the time is the median of the replays")
        ->check(CLI::Range(0, 1000000));
    app.add_flag("-z,--blocking", o.blocking, "wait after each call");
    app.add_option("-T,--timeout", o.deadline_seconds, "seconds that a rank may wait for another")
        ->check(CLI::PositiveNumber);
    app.add_option("--executor", t.executor, "cuda, host or simulate (default: cuda where there are GPUs, else host)");
    app.add_option("--topology", o.topology, "probe, a machine's name, or a file (see blink-plan)");
    app.add_option("--ranks", t.ranks, "GPUs of the topology, such as 0,1,4 or 0-3");
    app.add_option("--relays", t.relays, "GPUs of the topology outside the ranks that may forward, such as 2,3");
    app.add_option("--virtual-ranks", o.virtual_ranks, "so many ranks on one GPU")->check(CLI::Range(1, 64));
    app.add_flag("--emulate", o.emulate, "pace virtual ranks on one GPU to the links of the topology (float sums)");
    app.add_option("--link-scale", o.link_scale, "factor on the rate of every emulated link")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--chunk", t.chunk, "auto, or the bytes that travel at once")->capture_default_str();
    app.add_option("--protocol", t.how, "auto, chunks, cells, all_pairs, pull or copies")->capture_default_str();
    app.add_option("--registered", o.registered, "1: ranks store into each other's buffers; 0: through Blink's own")
        ->check(CLI::Range(0, 1))
        ->capture_default_str();
    app.add_option("--blocks", o.blocks, "thread blocks a rank may use on a GPU; 0: by measurement")
        ->check(CLI::Range(0, 256))
        ->capture_default_str();
    app.add_option("--tuning", o.tuning, "file that --tune wrote");
    app.add_option(
        "--tune", o.tune,
        "measure which protocol, blocks, chunk and share over the host suit these GPUs, and write this file");
    app.add_flag("--processes", o.processes, "one process a GPU; one that dies or hangs ends all, with status 1");
    app.add_option(
        "--compare", t.compare,
        "nccl: measure NCCL in turn, without multicast (two more columns a side); nccl,window: also NCCL with "
        "buffers in symmetric windows, as nccl-tests -R 2 (two more columns a side, behind all others; absent "
        "where NCCL has none, as a line above the table says then)");
    app.add_option("--json,-J,--output_file", o.json,
                   "file for the same numbers as JSON, which benchmarks/performance/figure.py draws");
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) { return help_text{app.help()}; } catch (const CLI::ParseError& e) {
        throw blink::usage_error(std::string(e.what()) + " (see blink-perf --help)");
    }
    understand(t, o);
    return o;
}

} // namespace blink_perf
