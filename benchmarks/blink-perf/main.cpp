// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// blink-perf: measures collectives and checks every element, in the manner of nccl-tests.
#include <array>
#include <chrono>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>
#include <unistd.h>

#include "group_choice.hpp"
#include "options.hpp"
#include "processes.hpp"
#include "results_json.hpp"
#include "samples.hpp"
#include "session.hpp"
#include "table.hpp"
#include "tune_gpus.hpp"

namespace {

using namespace blink_perf;

constexpr int wrong_elements = 1;
constexpr int wrong_usage = 2;
constexpr int no_plan = 3;
constexpr int no_topology = 4;

executor chosen_executor(const options& o) {
    if (o.run_on != executor::automatic) { return o.run_on; }
    if (o.emulate || o.processes) { return executor::cuda; }
    return usable_gpus() > 0 ? executor::cuda : executor::host;
}

/// @param s of this process; null where it drives all ranks
std::unique_ptr<session> make_session(executor e, const options& o, const seat* s) {
    switch (e) {
    case executor::cuda:
        if (s != nullptr) { return make_process_session(o, *s); }
        return o.emulate ? make_emulated_session(o) : make_cuda_session(o);
    case executor::simulate:
        return make_simulate_session(o);
    default:
        return make_host_session(o);
    }
}

const char* name_of(executor e) { return e == executor::cuda ? "cuda" : e == executor::simulate ? "simulate" : "host"; }

std::string host_name() {
    std::array<char, 65> name{};
    gethostname(name.data(), name.size() - 1);
    return name.data();
}

/// A word on the terminal about the step that runs now; nothing where nobody watches.
class progress {
  public:
    void show(const std::string& what) const {
        if (watched_) { std::cerr << "\r\033[K" << what << "\r" << std::flush; }
    }
    void clear() const { show(""); }

  private:
    bool watched_ = isatty(STDERR_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
};

void print_heading(const options& o, executor e, const session& s) {
    const std::string step =
        o.factor > 1 ? blink::format_fixed(o.factor, o.factor == static_cast<int>(o.factor) ? 0 : 2) + "(factor)"
                     : std::to_string(o.step_bytes) + "(bytes)";
    std::cout << "# blink-perf version " BLINK_TOOL_VERSION " executor: " << name_of(e) << "\n"
              << "# Collective test starting: " << nccl_name(o) << "_perf\n"
              << "# nThread 1 nGpus " << s.ranks() << " minBytes " << o.min_bytes << " maxBytes " << o.max_bytes
              << " step: " << step << " warmup iters: " << o.warmup
              << " iters: " << (o.iterations > 0 ? std::to_string(o.iterations) : "auto")
              << " agg iters: 1 validation: " << (o.check ? 1 : 0) << " graph: " << o.graphs
              << "\n#\n# Using devices\n";
    const auto lines = s.rank_lines();
    const auto processes = s.processes();
    for (std::size_t r = 0; r < lines.size(); ++r) {
        std::cout << formatted("#  Rank %2zu Group  0 Pid %6d on %10s device ", r,
                               processes.empty() ? static_cast<int>(getpid()) : processes.at(r), host_name().c_str())
                  << lines[r] << "\n";
    }
    for (const std::string& note : s.notes()) { std::cout << "# " << note << "\n"; }
    std::cout << "#\n" << column_heads(s.compared()) << std::flush;
}

row measured(session& s, const options& o, job j, std::size_t bytes) {
    j.iterations = o.iterations > 0 ? o.iterations : automatic_calls(bytes);
    j.warmup = o.warmup;
    j.check = o.check;
    j.graphs = o.graphs;
    j.blocking = o.blocking;
    j.chunk = o.chunk;
    j.relays = o.relays;
    j.how = o.how;
    j.data.kind = o.kind;
    j.data.moves = o.moves;
    j.data.ranks = s.ranks();
    // The size is that of the larger buffer, the count that of the smaller one, as nccl-tests has it.
    const std::size_t shards = is_sharded(j.data) ? static_cast<std::size_t>(s.ranks()) : 1;
    j.count = bytes / size_of(j.type) / shards;
    j.data.count = j.count;
    row r{j.count * shards * size_of(j.type), j, {}, {}};
    r.out_of_place = s.measure(j);
    ++j.data.seed;
    j.in_place = true;
    r.in_place = s.measure(j);
    return r;
}

std::vector<int> roots(const options& o, const session& s) {
    if (!(o.moves == movement::none ? blink::is_rooted(o.kind) : is_rooted(o.moves))) { return {0}; }
    if (o.root >= s.ranks() || o.root < -1) {
        throw blink::usage_error("-r " + std::to_string(o.root) + " is none of the ranks 0.." +
                                 std::to_string(s.ranks() - 1));
    }
    if (o.root >= 0) { return {o.root}; }
    std::vector<int> all;
    for (int r = 0; r < s.ranks(); ++r) { all.push_back(r); }
    return all;
}

std::vector<element_type> types(const options& o, const session& s) {
    std::vector<element_type> carried;
    for (const element_type type : o.types.empty() ? all_of<element_type>(type_names) : o.types) {
        if (s.carries(type)) { carried.push_back(type); }
    }
    if (carried.empty()) {
        throw blink::usage_error("-d " + std::string(to_string(o.types.front())) + " needs --executor cuda");
    }
    return carried;
}

std::vector<row> measure_all(session& s, const options& o, summary& total) {
    const progress watch;
    std::vector<row> rows;
    const auto operators =
        o.moves == movement::none && blink::reduces(o.kind) ? o.operators : std::vector{reduction::sum};
    for (const element_type type : types(o, s)) {
        for (const reduction op : operators) {
            for (const int root : roots(o, s)) {
                for (const std::size_t bytes : sizes(o)) {
                    watch.show("measuring " + blink::format_bytes(bytes) + " of " + std::string(to_string(type)));
                    job j;
                    j.type = type;
                    j.data.op = op;
                    j.data.root = root;
                    j.data.seed = 2 * rows.size();
                    rows.push_back(measured(s, o, j, bytes));
                    total.add(rows.back());
                    watch.clear();
                    std::cout << row_text(rows.back(), s.compared()) << std::flush;
                }
            }
        }
    }
    return rows;
}

int run_here(options o, const seat* place) {
    if (place != nullptr && place->rank != 0) { std::cout.setstate(std::ios::failbit); } // rank 0 speaks for all
    const executor e = chosen_executor(o);
    if (o.graphs == automatic_replays) { o.graphs = e == executor::cuda ? automatic_graphs : 0; }
    const auto s = make_session(e, o, place);
    (void)types(o, *s);
    (void)roots(o, *s);
    print_heading(o, e, *s);
    summary total;
    const auto rows = measure_all(*s, o, total);
    std::cout << "# Out of bounds values : " << total.out_of_bounds_values() << (total.ok() ? " OK" : " FAILED")
              << "\n# Avg bus bandwidth    : " << formatted("%g", total.average_busbw()) << "\n#\n"
              << std::flush;
    if (!o.json.empty() && (place == nullptr || place->rank == 0)) {
        std::ofstream file(o.json);
        const circumstances c{name_of(e),  nccl_name(o), s->rank_lines(), s->notes(),
                              o.processes, o.graphs,     o.blocks,        s->ceiling_GBps()};
        file << results_json(rows, total, c).dump(2) << "\n" << std::flush;
        if (!file) { throw blink::usage_error("--json " + o.json + ": cannot write this file"); }
    }
    return total.ok() ? 0 : wrong_elements;
}

int say(int status, const std::string& what) {
    std::cerr << "blink-perf: " << what << '\n';
    return status;
}

/// Runs `work`; says what it throws, and gives the exit status of that.
template <class Work>
int guarded(const std::string& who, const Work& work) {
    try {
        return work();
    } catch (const blink::topology_error& e) {
        return say(no_topology, who + e.what());
    } catch (const blink::usage_error& e) {
        return say(wrong_usage, who + e.what());
    } catch (const blink::plan_error& e) { return say(no_plan, who + e.what()); } catch (const std::exception& e) {
        return say(wrong_elements, who + e.what());
    }
}

/// Longer than the longest measurement takes, at a gigabyte a second and a millisecond a call.
std::chrono::milliseconds patience(const options& o) {
    const double in_turn = o.iterations > 0 ? o.iterations : automatic_calls(o.max_bytes);
    const int replays = o.graphs == automatic_replays ? automatic_graphs : o.graphs;
    const double calls = o.warmup + in_turn * (replays + 1);
    const double seconds = 3 * calls * (static_cast<double>(o.max_bytes) * 1e-9 + 1e-3);
    return std::chrono::milliseconds(static_cast<long long>((120 + seconds + o.deadline_seconds) * 1000));
}

/// CUDA must not be touched before the processes part, so another one counts the GPUs.
int run_apart(const options& o) {
    const int ranks = chosen_ranks(o) > 0 ? chosen_ranks(o) : asked_apart(usable_gpus);
    if (ranks <= 0) { throw blink::usage_error("--processes: no GPU is visible to this process"); }
    return run_processes(ranks, patience(o), [&](const seat& s) {
        return guarded("rank " + std::to_string(s.rank) + ": ", [&] { return run_here(o, &s); });
    });
}

int run(int argc, const char* const* argv) {
    const auto parsed = parse_options(argc, argv);
    if (const auto* help = std::get_if<help_text>(&parsed)) {
        std::cout << help->text;
        return 0;
    }
    const options& o = std::get<options>(parsed);
    if (!o.tune.empty()) {
        tune_gpus(o);
        return 0;
    }
    return o.processes ? run_apart(o) : run_here(o, nullptr);
}

} // namespace

int main(int argc, char** argv) {
    return guarded("", [&] { return run(argc, argv); });
}
