// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <unistd.h>

#include "group_choice.hpp"
#include "host_backend.hpp"
#include "measure.hpp"
#include "session.hpp"

namespace blink_perf {
namespace {

class host_session final : public session {
  public:
    explicit host_session(const options& o) : backend_(chosen_group(o)) {}

    [[nodiscard]] int ranks() const override { return backend_.group().size(); }

    [[nodiscard]] std::vector<std::string> rank_lines() const override {
        return {static_cast<std::size_t>(ranks()), "[host] threads over shared memory"};
    }

    [[nodiscard]] bool carries(element_type type) const override {
        return type != element_type::half && type < element_type::bfloat16;
    }

    outcome measure(const job& j) override {
        switch (j.type) {
        case element_type::int8:
            return measure_type<std::int8_t>(backend_, j);
        case element_type::uint8:
            return measure_type<std::uint8_t>(backend_, j);
        case element_type::int32:
            return measure_type<std::int32_t>(backend_, j);
        case element_type::uint32:
            return measure_type<std::uint32_t>(backend_, j);
        case element_type::int64:
            return measure_type<std::int64_t>(backend_, j);
        case element_type::uint64:
            return measure_type<std::uint64_t>(backend_, j);
        case element_type::float32:
            return measure_type<float>(backend_, j);
        case element_type::float64:
            return measure_type<double>(backend_, j);
        case element_type::half:
        case element_type::bfloat16:
        case element_type::fp8_e4m3:
        case element_type::fp8_e5m2:
            break;
        }
        throw blink::usage_error("-d " + std::string(to_string(j.type)) + " needs --executor cuda");
    }

  private:
    host_backend backend_;
};

} // namespace

std::unique_ptr<session> make_host_session(const options& o) {
    if (o.graphs > 0) { throw blink::usage_error("-G needs --executor cuda"); }
    if (o.compare_nccl) { throw blink::usage_error("--compare nccl needs --executor cuda"); }
    return std::make_unique<host_session>(o);
}

} // namespace blink_perf
