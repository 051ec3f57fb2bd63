// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The GPU suite: names what it skips and why, ends with one line of counts; 77 where there is no GPU at all.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "groups.cuh"

namespace {

/// Prints skipped cases and a progress line a case, counts what ran.
struct suite_reporter final : doctest::IReporter {
    explicit suite_reporter(const doctest::ContextOptions& /*options*/) {}
    void report_query(const doctest::QueryData& /*data*/) override {}
    void test_run_start() override {}
    void test_run_end(const doctest::TestRunStats& /*stats*/) override {
        std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    }
    void test_case_start(const doctest::TestCaseData& data) override { name = data.m_name; }
    void test_case_reenter(const doctest::TestCaseData& /*data*/) override {}
    void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
        const bool good = stats.failure_flags == 0;
        ++(good ? passed : failed);
        std::printf("%s  %s (%.1f s, %d checks)\n", good ? "ok  " : "FAIL", name, stats.seconds,
                    stats.numAssertsCurrentTest);
        std::fflush(stdout);
    }
    void test_case_exception(const doctest::TestCaseException& e) override {
        std::printf("      threw: %s\n", e.error_string.c_str());
    }
    void subcase_start(const doctest::SubcaseSignature& /*signature*/) override {}
    void subcase_end() override {}
    void log_assert(const doctest::AssertData& data) override {
        if (data.m_failed) {
            std::printf("      %s:%d: %s is %s\n", data.m_file, data.m_line, data.m_expr, data.m_decomp.c_str());
        }
    }
    void log_message(const doctest::MessageData& data) override { std::printf("      %s\n", data.m_string.c_str()); }
    void test_case_skipped(const doctest::TestCaseData& data) override {
        ++skipped;
        std::printf("skip  %s (%d of the GPUs it needs are visible)\n", data.m_name, blink::cuda::visible_gpus());
    }

    const char* name = "";
    int passed = 0;
    int failed = 0;
    int skipped = 0;
};

} // namespace

REGISTER_REPORTER("suite", 1, suite_reporter);

int main(int argc, char** argv) {
    doctest::Context context(argc, argv);
    context.setOption("reporters", "suite");
    const int result = context.run();
    return blink::cuda::visible_gpus() == 0 ? 77 : result;
}
