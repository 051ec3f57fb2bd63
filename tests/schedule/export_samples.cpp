// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Writes exported schedules into a folder, and a line for each to the standard output: file, collective, ranks, root,
/// and whether it is for calls in place. `run_exports.py` executes them.
#include <blink/schedule/write_msccl_xml.hpp>
#include <blink/schedule/write_mscclpp_json.hpp>

#include <fstream>
#include <iostream>
#include <string>

#include "made_schedules.hpp"

using namespace blink;

namespace {

class samples {
  public:
    explicit samples(std::string folder) : folder_(std::move(folder)) {}

    void add(const schedule& s, const export_options& options = {}) {
        write(s, ".xml", write_msccl_xml(s, options), false);
        for (const bool in_place : {false, true}) {
            if (s.kind == collective::reduce) { continue; }
            export_options o = options;
            o.in_place = in_place;
            write(s, ".json", write_mscclpp_json(s, o), in_place);
        }
    }

  private:
    void write(const schedule& s, const char* ending, const std::string& text, bool in_place) {
        const std::string path = folder_ + "/" + std::to_string(count_++) + ending;
        std::ofstream{path} << text;
        std::cout << path << ' ' << to_string(s.kind) << ' ' << s.ranks << ' ' << s.root << ' ' << in_place << '\n';
    }

    std::string folder_;
    int count_ = 0;
};

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) { return 2; }
    samples all{argv[1]};
    for (const collective kind : {collective::allreduce, collective::broadcast, collective::reduce}) {
        for (unsigned seed = 0; seed < 8; ++seed) {
            const int ranks = 2 + static_cast<int>(seed % 6);
            const int root = is_rooted(kind) ? static_cast<int>(seed) % ranks : 0;
            all.add(made::random_trees(kind, ranks, 1 + static_cast<int>(seed % 4), seed, root), {.max_chunks = 8});
        }
        all.add(made::star_schedule(kind, 9), {.max_chunks = 2});
    }
    for (const collective kind : {collective::allgather, collective::reduce_scatter}) {
        for (unsigned seed = 0; seed < 6; ++seed) {
            const int ranks = 2 + static_cast<int>(seed % 4);
            all.add(made::random_forest(kind, ranks, 1 + static_cast<int>(seed % 3), seed), {.max_chunks = 4});
        }
    }
    for (const int ranks : {9, 10, 16}) {
        all.add(made::star_schedule(collective::allreduce, ranks), {.max_chunks = 2});
    }
    all.add(made::star_schedule(collective::broadcast, 14), {.max_chunks = 1});
    for (const int ranks : {2, 3, 5}) { all.add(made::ring(ranks), {.max_chunks = 8}); }
    return 0;
}
