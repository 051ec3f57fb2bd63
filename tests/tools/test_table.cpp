// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "results_json.hpp"
#include "samples.hpp"
#include "table.hpp"

namespace {

blink_perf::row made_row() {
    blink_perf::row r;
    r.bytes = 1U << 20;
    r.what.data = {0, blink::collective::allreduce, blink_perf::reduction::sum, 4, 0};
    r.what.count = 1U << 18;
    r.out_of_place.samples = {1e-4, 1e-2, 2e-4};
    r.out_of_place.wrong = 0;
    r.in_place.samples = {1e-4};
    return r;
}

std::vector<std::string> words(const std::string& line) {
    std::istringstream in(line);
    std::vector<std::string> list;
    for (std::string w; in >> w;) { list.push_back(w); }
    return list;
}

} // namespace

TEST_CASE("a row has the thirteen columns of nccl-tests") {
    const std::string line = row_text(made_row(), {});
    CHECK(words(line) == std::vector<std::string>{"1048576", "262144", "float", "sum", "-1", "200.00", "5.24", "7.86",
                                                  "0", "100.00", "10.49", "15.73", "N/A"});
    CHECK(line.substr(0, 56) == "     1048576        262144     float     sum      -1   2");
}

TEST_CASE("a comparison adds two columns a side") {
    blink_perf::row r = made_row();
    r.out_of_place.peer_samples = {4e-4, 3e-4, 7e-3};
    r.in_place.peer_samples = {5e-5};
    const auto w = words(row_text(r, {true, false}));
    REQUIRE(w.size() == 17);
    CHECK(w[9] == "400.00");
    CHECK(w[10] == "2.00");
    CHECK(w[16] == "0.50");
}

TEST_CASE("symmetric windows come behind the columns that were there without them") {
    blink_perf::row r = made_row();
    r.out_of_place.peer_samples = {4e-4};
    r.in_place.peer_samples = {5e-5};
    r.out_of_place.window_samples = {3e-4, 1e-4, 1.5e-4};
    r.in_place.window_samples = {2e-4};
    const std::string with = row_text(r, {true, true});
    const std::string without = row_text(r, {true, false});
    CHECK(with.substr(0, without.size() - 1) == without.substr(0, without.size() - 1));
    const auto w = words(with);
    REQUIRE(w.size() == 21);
    CHECK(std::vector(w.begin() + 17, w.end()) == std::vector<std::string>{"150.00", "0.75", "200.00", "2.00"});
}

TEST_CASE("a call that there is not in place has no times there, whatever is compared") {
    blink_perf::row r = made_row();
    r.out_of_place.peer_samples = r.out_of_place.window_samples = {4e-4};
    r.in_place = {};
    const auto w = words(row_text(r, {true, true}));
    REQUIRE(w.size() == 21);
    for (const std::size_t i : {11, 12, 13, 14, 15, 16, 19, 20}) { CHECK(w[i] == "N/A"); }
    CHECK(w[18] == "2.00");
}

TEST_CASE("heads stand above their columns") {
    blink_perf::row r = made_row();
    r.out_of_place.peer_samples = r.out_of_place.window_samples = r.in_place.peer_samples =
        r.in_place.window_samples = {4e-4};
    for (const blink_perf::comparison with : {blink_perf::comparison{}, {true, false}, {true, true}}) {
        std::istringstream heads(column_heads(with));
        std::vector<std::string> lines;
        for (std::string line; std::getline(heads, line);) { lines.push_back(line); }
        REQUIRE(lines.size() == 3);
        const std::string row = row_text(r, with);
        CHECK(lines[1].size() + 1 == row.size());
        CHECK(lines[2].size() + 1 == row.size());
        CHECK(lines[0].size() < row.size());
    }
    CHECK(blink_perf::column_heads({true, false}).find("window") == std::string::npos);
    CHECK(blink_perf::column_heads({true, true}).find("window   ratio     window   ratio\n") != std::string::npos);
}

TEST_CASE("a broadcast has no operator, and a root") {
    blink_perf::row r = made_row();
    r.what.data.kind = blink::collective::broadcast;
    r.what.data.root = 3;
    const auto w = words(row_text(r, {}));
    CHECK(w[3] == "none");
    CHECK(w[4] == "3");
    CHECK(w[6] == w[7]);
}

TEST_CASE("numbers keep to their columns") {
    CHECK(blink_perf::fitted(1.234, 7) == "1.23");
    CHECK(blink_perf::fitted(12345.67, 7) == "12346");
    CHECK(blink_perf::fitted(1234.567, 7) == "1234.6");
}

TEST_CASE("medians do not mind one slow call") {
    CHECK(blink_perf::median({}) == 0);
    CHECK(blink_perf::median({5}) == 5);
    CHECK(blink_perf::median({9, 1, 2}) == 2);
    CHECK(blink_perf::median({9, 1, 2, 4}) == 3);
}

TEST_CASE("samples share the calls evenly, so that each weighs the same") {
    for (const int calls : {1, 9, 10, 19, 25, 1000003}) {
        const int samples = std::min(calls, 10);
        int all = 0;
        for (int i = 0; i < samples; ++i) {
            const int now = blink_perf::calls_in_sample(calls, samples, i);
            CHECK(now >= calls / samples);
            CHECK(now <= calls / samples + 1);
            all += now;
        }
        CHECK(all == calls);
    }
}

TEST_CASE("one wrong element, or one overwritten guard, fails a run") {
    blink_perf::summary good;
    good.add(made_row());
    CHECK(good.ok());
    CHECK(good.average_busbw() == doctest::Approx((7.864 + 15.729) / 2).epsilon(0.001));
    blink_perf::row r = made_row();
    r.out_of_place.wrong = 1;
    blink_perf::summary wrong;
    wrong.add(r);
    CHECK_FALSE(wrong.ok());
    blink_perf::row g = made_row();
    g.in_place.out_of_bounds = 1;
    blink_perf::summary guard;
    guard.add(g);
    CHECK_FALSE(guard.ok());
}

TEST_CASE("the JSON has the keys of nccl-tests") {
    const std::vector rows{made_row()};
    blink_perf::summary s;
    s.add(rows[0]);
    const auto o = blink_perf::results_json(rows, s, {"host", "all_reduce"});
    const auto& first = o.at("results").as_array().at(0);
    CHECK(first.at("size").as_number() == 1 << 20);
    CHECK(first.at("redop").as_string() == "sum");
    const auto& side = first.at("out_of_place");
    CHECK(side.at("time").as_number() == doctest::Approx(200));
    CHECK(side.at("time_median").as_number() == doctest::Approx(200));
    CHECK(side.at("time_mean").as_number() == doctest::Approx(10300.0 / 3));
    REQUIRE(side.at("time_samples").as_array().size() == 3);
    CHECK(side.at("time_samples").as_array()[1].as_number() == doctest::Approx(10000));
    CHECK(first.at("out_of_place").at("nwrong").as_number() == 0);
    CHECK(first.at("in_place").at("nwrong").is_null());
    CHECK(o.at("average_bus_bandwidth").at("okay").as_bool());
}

TEST_CASE("the JSON has the times of what was compared, and how they came about") {
    std::vector rows{made_row()};
    rows[0].out_of_place.peer_samples = {4e-4};
    rows[0].out_of_place.window_samples = {5e-4, 1e-4, 1e-4};
    blink_perf::summary s;
    s.add(rows[0]);
    const auto o = blink_perf::results_json(
        rows, s, {"cuda", "all_reduce", {"0 [bus] GPU", "1 [bus] GPU"}, {"a note"}, true, 8, 32, 450});
    CHECK(o.at("collective").as_string() == "all_reduce");
    CHECK(o.at("devices").dump() == R"(["0 [bus] GPU","1 [bus] GPU"])");
    CHECK(o.at("notes").dump() == R"(["a note"])");
    CHECK(o.at("processes").as_bool());
    CHECK(o.at("graphs").as_number() == 8);
    CHECK(o.at("blocks").as_number() == 32);
    CHECK(o.at("ceiling_GBps").as_number() == 450);
    const auto& first = o.at("results").as_array().at(0);
    CHECK(first.at("calls").as_number() == 20);
    const auto& side = first.at("out_of_place");
    CHECK(side.at("nccl_time").as_number() == doctest::Approx(400));
    CHECK(side.at("ratio").as_number() == doctest::Approx(2));
    CHECK(side.at("nccl_window_time").as_number() == doctest::Approx(100));
    CHECK(side.at("nccl_window_time_samples").as_array().size() == 3);
    CHECK(side.at("window_ratio").as_number() == doctest::Approx(0.5));
    CHECK(first.at("in_place").find("nccl_time") == nullptr);
    CHECK(blink_perf::results_json(rows, s, {"host", "reduce"}).at("ceiling_GBps").is_null());
}

TEST_CASE("-n auto makes many calls of short ones and few of long ones") {
    CHECK(blink_perf::automatic_calls(8) == 100);
    CHECK(blink_perf::automatic_calls(256 << 10) == 100);
    CHECK(blink_perf::automatic_calls((256 << 10) + 4) == 50);
    CHECK(blink_perf::automatic_calls(4 << 20) == 50);
    CHECK(blink_perf::automatic_calls((4 << 20) + 4) == 20);
}
