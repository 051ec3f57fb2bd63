// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/tuning_file.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

using namespace blink;

namespace {

/// A file that goes with the scope.
class written {
  public:
    explicit written(const std::string& text)
        : path_(std::filesystem::temp_directory_path() / "blink_tuning_file_test.json") {
        std::ofstream(path_) << text;
    }
    written(const written&) = delete;
    written& operator=(const written&) = delete;
    ~written() { std::filesystem::remove(path_); }
    [[nodiscard]] std::string name() const { return path_.string(); }

  private:
    std::filesystem::path path_;
};

} // namespace

TEST_CASE("a tuning comes back as it was written, and what a file leaves out is built in") {
    tuning t{1, 2, 3, 4, 5};
    t.bulk_from = 6;
    t.bulk_blocks = 13;
    t.most_bulk_chunk_bytes = 14;
    t.copies_from = 7;
    t.copies_reduce_from = 8;
    t.copies_all_reduce_from = 13;
    t.host_share_all_reduce_from = 14;
    t.host_share_all_reduce = 15;
    t.host_share_beside_kernels = 16;
    t.copies_from_captured = 11;
    t.host_share_from = 12;
    t.host_share = 9;
    t.host_share_both = 10;
    CHECK(tuning_from(to_json(t)) == t);
    CHECK(read_tuning(written(to_json(t).dump(2)).name()) == t);
    CHECK(read_tuning(written(R"({"measured_on": "somewhere"})").name()) == tuning{});
    CHECK(read_tuning(written(R"({"most_blocks": 7})").name()) == tuning{.most_blocks = 7});
}

TEST_CASE("a wrong file is refused with its name and the line") {
    CHECK_THROWS_WITH_AS((void)read_tuning("no/such/file.json"), "no/such/file.json: this tuning file cannot be read",
                         usage_error);
    for (const char* const text : {"", "[]", "{\n\"most_blocks\": 0}", "{\n\"cells_up_to\": -1}",
                                   "{\n\"most_chunk_bytes\": 0}", "{\n\"cells_up_to\": \"many\"}"}) {
        CAPTURE(text);
        const written file(text);
        const std::string line = text[0] == '{' ? "line 2" : "line 1";
        try {
            (void)read_tuning(file.name());
            FAIL("accepted");
        } catch (const usage_error& e) {
            CHECK(std::string(e.what()).find(file.name() + ": " + line) != std::string::npos);
        }
    }
}
