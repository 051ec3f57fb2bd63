// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/schedule/verify.hpp>
#include <blink/topology/machines/dgx1.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "configuration_rates.hpp"
#include "sizes.hpp"

using blink::collective;

namespace {

const std::vector<std::size_t> sizes{std::size_t{100} << 20, std::size_t{500} << 20};

/// Lines by their columns.
std::vector<std::map<std::string, std::string>> read_csv(std::istream& in) {
    const auto cut = [](const std::string& line) {
        std::vector<std::string> cells;
        std::istringstream text(line);
        for (std::string cell; std::getline(text, cell, ',');) { cells.push_back(cell); }
        return cells;
    };
    std::string line;
    std::getline(in, line);
    const auto names = cut(line);
    std::vector<std::map<std::string, std::string>> rows;
    while (std::getline(in, line)) {
        auto& row = rows.emplace_back();
        const auto cells = cut(line);
        for (std::size_t i = 0; i < names.size(); ++i) { row[names[i]] = i < cells.size() ? cells[i] : ""; }
    }
    return rows;
}

std::vector<std::map<std::string, std::string>> written(const blink::topology& machine, const std::vector<int>& gpus) {
    std::stringstream csv;
    csv << blink_paper::fragment_header << '\n';
    blink_paper::write_fragment(machine, gpus, sizes, csv);
    return read_csv(csv);
}

} // namespace

TEST_CASE("contenders do what they promise from every root") {
    const blink::topology machine(blink::dgx1v);
    const std::vector<int> gpus{1, 2, 3, 5, 6};
    for (int root = 0; root < 5; ++root) {
        const auto all = blink_paper::contenders(machine, gpus, collective::broadcast, root);
        REQUIRE(all.size() == 3);
        for (const auto& c : all) {
            CAPTURE(c.who);
            CHECK(c.s.root == root);
            CHECK_NOTHROW(blink::verify(c.s));
            CHECK(c.GBps == doctest::Approx(blink_paper::contenders(machine, gpus, collective::broadcast, 0)
                                                .at(static_cast<std::size_t>(&c - all.data()))
                                                .GBps));
        }
    }
    const auto all = blink_paper::contenders(machine, gpus, collective::allreduce, 0);
    REQUIRE(all.size() == 5);
    for (const auto& c : all) { CHECK_NOTHROW(blink::verify(c.s)); }
    CHECK(all.back().who == "tight");
    CHECK(all.back().GBps >= all.front().GBps);
}

TEST_CASE("a broadcast is told from root 0 and over all roots, an AllReduce has none") {
    for (const auto& row : written(blink::topology(blink::dgx1v), {1, 2, 3, 5, 6})) {
        CAPTURE(row.at("who"));
        if (row.at("collective") == "allreduce") {
            CHECK(row.at("mean_GBps").empty());
            CHECK(row.at("most_GBps").empty());
            continue;
        }
        const double least = std::stod(row.at("least_GBps"));
        const double most = std::stod(row.at("most_GBps"));
        CHECK(least <= std::stod(row.at("simulated_GBps")));
        CHECK(most >= std::stod(row.at("simulated_GBps")));
        CHECK(least <= std::stod(row.at("mean_GBps")));
        CHECK(most >= std::stod(row.at("mean_GBps")));
        CHECK(most <= std::stod(row.at("model_GBps")) * 1.0001);
        if (row.at("who") == "blink") { CHECK(most > least); } // its GPUs differ
    }
}

TEST_CASE("every root is as good among GPUs that are all joined alike") {
    for (const auto& row : written(blink::topology(blink::dgx1p), {0, 1, 2, 3})) {
        if (row.at("collective") != "broadcast" || row.at("who") != "blink") { continue; }
        CHECK(std::stod(row.at("least_GBps")) == doctest::Approx(std::stod(row.at("most_GBps"))).epsilon(0.005));
    }
}

TEST_CASE("the table in the documents is what the model says") {
    std::ifstream file(BLINK_PAPER_DOCUMENTS "/simulated.csv");
    REQUIRE(file);
    const auto documented = read_csv(file);
    struct fragment {
        const char* machine;
        const char* ranks;
        std::vector<std::map<std::string, std::string>> rows;
    };
    for (const fragment& f : {fragment{"dgx1p", "012", written(blink::topology(blink::dgx1p), {0, 1, 2})},
                              fragment{"dgx1v", "12356", written(blink::topology(blink::dgx1v), {1, 2, 3, 5, 6})}}) {
        auto line = std::ranges::find_if(
            documented, [&](const auto& row) { return row.at("machine") == f.machine && row.at("ranks") == f.ranks; });
        for (const auto& row : f.rows) {
            REQUIRE(line != documented.end());
            CAPTURE(row.at("who"));
            for (const auto& [name, value] : row) {
                CAPTURE(name);
                if (name.ends_with("_GBps") && !value.empty()) {
                    // Rounding decides who comes first of those who ask at the same instant.
                    const double part = name == "model_GBps" ? 1e-4 : 0.02;
                    CHECK(std::stod(value) == doctest::Approx(std::stod(line->at(name))).epsilon(part));
                } else {
                    CHECK(value == line->at(name));
                }
            }
            ++line;
        }
    }
}

TEST_CASE("the table of shorter calls is what the model says, and some are for each of 3 to 8 GPUs") {
    std::ifstream file(BLINK_PAPER_DOCUMENTS "/simulated_sizes.csv");
    REQUIRE(file);
    const auto documented = read_csv(file);
    std::vector<bool> of_size(9);
    for (const auto& [machine, gpus] : blink_paper::sized_configurations()) {
        of_size[gpus.size()] = true;
        for (const auto kind : {collective::broadcast, collective::allreduce}) {
            const auto blink = blink_paper::contenders(machine, gpus, kind, 0).front();
            for (const auto& [bytes, calls] : blink_paper::sized_calls) {
                const auto row = std::ranges::find_if(documented, [&, bytes = bytes](const auto& r) {
                    return r.at("machine") == machine.name() && r.at("ranks") == blink_paper::joined(gpus) &&
                           r.at("collective") == to_string(kind) && r.at("bytes") == std::to_string(bytes) &&
                           r.at("who") == "blink";
                });
                REQUIRE(row != documented.end());
                CHECK(blink_paper::simulated_GBps(blink, bytes) ==
                      doctest::Approx(std::stod(row->at("simulated_GBps"))).epsilon(0.02));
            }
        }
    }
    CHECK(std::count(of_size.begin(), of_size.end(), true) == 6);
}

TEST_CASE("looks into the host's memory are what makes a chain on slow links slower than its links") {
    const blink::topology machine(blink::dgx1p);
    const auto all = blink_paper::contenders(machine, {0, 1, 2}, collective::allreduce, 0);
    const auto chain = std::ranges::find(all, std::string("chains"), &blink_paper::rated_schedule::who);
    REQUIRE(chain != all.end());
    // 18.57 GB/s were measured with chunks of 64 KiB; without looks the model says 19.84.
    const auto GBps = [&](const blink::block_costs& costs) {
        const auto layout = blink_paper::layout_on_gpu(chain->s, sizes[0], 64 << 10);
        return blink::simulate_blocks(chain->s, chain->f, sizes[0], layout, costs).GBps;
    };
    blink::block_costs costs = blink_paper::h200_costs;
    CHECK(GBps(costs) == doctest::Approx(18.57).epsilon(0.01));
    costs.patience_us = 1e9;
    CHECK(GBps(costs) > 19.5);
}
