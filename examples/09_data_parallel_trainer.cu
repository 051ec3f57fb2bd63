// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Trains a network of dense layers on all GPUs, each with a batch of its own. Gradients are averaged in buckets, as
// soon as the backward pass has filled one, on streams beside those that compute. With --with all, the default, the
// same training runs without any exchange, through NCCL where it is built in and there are two GPUs or more, and
// through Blink, and the times of a step stand side by side.
//
//     09_data_parallel_trainer [--with all|none|nccl|blink] [--virtual-ranks N] [--layers N] [--width N] [--batch N]
//                              [--bucket-mib N] [--steps N] [--blocks N]
//
// Blocks that exchange gradients take multiprocessors from those that compute: --blocks says how many Blink may use on
// a GPU, 0 for as many as are fastest for an AllReduce that has the GPU for itself; 64 made the shortest steps between
// two H200s.
#include <blink/allreduce.hpp>

#include <cuda_runtime.h>

#if defined(BLINK_EXAMPLE_NCCL)
#include <nccl.h>
#endif

#include <algorithm>
#include <cmath>
#include <deque>
#include <iomanip>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "data_parallel/replica.cuh"

namespace {

using trainer::check;
using trainer::replica;
using trainer::shape;

/// Averages a part of all ranks' gradients, in place. What it enqueues follows the work on each rank's compute stream
/// so far; `join` makes the compute streams follow it.
class exchange {
  public:
    explicit exchange(std::deque<replica>& ranks) : ranks_(ranks) {}
    exchange(const exchange&) = delete;
    exchange& operator=(const exchange&) = delete;
    virtual ~exchange() = default;

    void average(std::size_t first, std::size_t count) {
        for (std::size_t r = 0; r < ranks_.size(); ++r) { ranks_[r].let_follow(stream(r)); }
        enqueue(first, count);
    }
    void join() {
        for (std::size_t r = 0; r < ranks_.size(); ++r) { ranks_[r].follow(stream(r)); }
    }
    /// Waits for all ranks.
    virtual void synchronize() {
        for (const replica& r : ranks_) { r.synchronize(); }
    }

  protected:
    std::deque<replica>& ranks_;

  private:
    virtual cudaStream_t stream(std::size_t rank) = 0;
    virtual void enqueue(std::size_t first, std::size_t count) = 0;
};

/// Every rank for itself: what a step takes without communication.
class no_exchange final : public exchange {
  public:
    using exchange::exchange;

  private:
    cudaStream_t stream(std::size_t rank) override { return ranks_[rank].stream(); }
    void enqueue(std::size_t, std::size_t) override {}
};

class blink_exchange final : public exchange {
  public:
    blink_exchange(std::deque<replica>& ranks, blink::cuda_group& group) : exchange(ranks), group_(group) {}
    void synchronize() override { group_.synchronize(); }

  private:
    cudaStream_t stream(std::size_t rank) override { return group_.stream(static_cast<int>(rank)); }
    void enqueue(std::size_t first, std::size_t count) override {
        std::vector<float*> gradients;
        for (const replica& r : ranks_) { gradients.push_back(r.gradients() + first); }
        blink::allreduce(group_, gradients, gradients, count, blink::avg{});
    }

    blink::cuda_group& group_;
};

#if defined(BLINK_EXAMPLE_NCCL)
class nccl_exchange final : public exchange {
  public:
    explicit nccl_exchange(std::deque<replica>& ranks) : exchange(ranks), comms_(ranks.size()), streams_(ranks.size()) {
        std::vector<int> devices;
        for (const replica& r : ranks) { devices.push_back(r.device()); }
        check(ncclCommInitAll(comms_.data(), static_cast<int>(comms_.size()), devices.data()), "ncclCommInitAll");
        for (std::size_t r = 0; r < ranks.size(); ++r) {
            const blink::cuda::device_scope current(devices[r]);
            blink::cuda::check(cudaStreamCreateWithFlags(&streams_[r], cudaStreamNonBlocking), "cudaStreamCreate");
        }
    }
    ~nccl_exchange() override {
        for (std::size_t r = 0; r < comms_.size(); ++r) {
            const blink::cuda::device_scope current(ranks_[r].device());
            (void)cudaStreamDestroy(streams_[r]);
            (void)ncclCommDestroy(comms_[r]);
        }
    }

  private:
    cudaStream_t stream(std::size_t rank) override { return streams_[rank]; }
    void enqueue(std::size_t first, std::size_t count) override {
        check(ncclGroupStart(), "ncclGroupStart");
        for (std::size_t r = 0; r < comms_.size(); ++r) {
            float* const gradients = ranks_[r].gradients() + first;
            check(ncclAllReduce(gradients, gradients, count, ncclFloat, ncclAvg, comms_[r], streams_[r]),
                  "ncclAllReduce");
        }
        check(ncclGroupEnd(), "ncclGroupEnd");
    }

    std::vector<ncclComm_t> comms_;
    std::vector<cudaStream_t> streams_;
};
#endif

/// What a training came to.
struct outcome {
    double first_loss = 0; ///< of rank 0
    double last_loss = 0;
    double step_ms = 0; ///< the median
};

double loss_of(const std::deque<replica>& ranks) {
    double sum = 0;
    for (const replica& r : ranks) { sum += r.loss(); }
    return sum / static_cast<double>(ranks.size());
}

/// Where in the gradients each bucket starts, and the end of the last one. The backward pass fills them in this order.
std::vector<std::size_t> bucket_bounds(const shape& net, std::size_t bucket_bytes) {
    std::vector<std::size_t> bounds{0};
    for (std::size_t l = 1; l <= net.layers; ++l) {
        const std::size_t end = l * net.layer_weights();
        if (l == net.layers || (end - bounds.back()) * sizeof(float) >= bucket_bytes) { bounds.push_back(end); }
    }
    return bounds;
}

/// One forward and backward pass on all ranks, and what it takes to average the gradients.
void pass(std::deque<replica>& ranks, exchange& between, const std::vector<std::size_t>& bounds) {
    for (replica& r : ranks) { r.forward(); }
    std::size_t bucket = 0;
    for (std::size_t done = 1; done <= ranks[0].net().layers; ++done) {
        for (replica& r : ranks) { r.backward(ranks[0].net().layers - done); }
        if (done * ranks[0].net().layer_weights() == bounds[bucket + 1]) {
            between.average(bounds[bucket], bounds[bucket + 1] - bounds[bucket]);
            ++bucket;
        }
    }
    between.join();
}

/// The gradients that a pass leaves are the averages of those that the ranks had each for itself.
/// @throw blink::error where one is not
void check_average(std::deque<replica>& ranks, exchange& between, const std::vector<std::size_t>& bounds) {
    no_exchange none(ranks);
    pass(ranks, none, bounds);
    none.synchronize();
    std::vector<double> wanted(bounds.back());
    for (const replica& r : ranks) {
        const std::vector<float> own = r.read_gradients();
        for (std::size_t i = 0; i < own.size(); ++i) { wanted[i] += own[i] / static_cast<double>(ranks.size()); }
    }
    pass(ranks, between, bounds);
    between.synchronize();
    none.synchronize();
    for (std::size_t r = 0; r < ranks.size(); ++r) {
        const std::vector<float> found = ranks[r].read_gradients();
        for (std::size_t i = 0; i < found.size(); ++i) {
            if (std::abs(found[i] - wanted[i]) > 1e-5 * (1 + std::abs(wanted[i]))) {
                throw blink::error("rank " + std::to_string(r) + ": gradient " + std::to_string(i) + " is " +
                                   std::to_string(found[i]) + ", the average is " + std::to_string(wanted[i]));
            }
        }
    }
}

outcome train(std::deque<replica>& ranks, exchange& between, std::size_t bucket_bytes, int steps, bool averages) {
    const std::vector<std::size_t> bounds = bucket_bounds(ranks[0].net(), bucket_bytes);
    for (replica& r : ranks) { r.reset(); }
    if (averages) { check_average(ranks, between, bounds); }
    outcome result;
    std::vector<double> taken;
    for (int step = 0; step < steps; ++step) {
        ranks[0].start_clock();
        pass(ranks, between, bounds);
        if (step == 0) { result.first_loss = loss_of(ranks); }
        for (replica& r : ranks) { r.descend(); }
        taken.push_back(ranks[0].stop_clock());
    }
    between.synchronize();
    for (replica& r : ranks) { r.forward(); }
    result.last_loss = loss_of(ranks);
    for (std::size_t r = 1; averages && r < ranks.size(); ++r) {
        if (ranks[r].read_weights() != ranks[0].read_weights()) {
            throw blink::error("the weights of rank " + std::to_string(r) + " are not those of rank 0");
        }
    }
    taken.erase(taken.begin(), taken.begin() + steps / 5); // the first ones load kernels
    std::nth_element(taken.begin(), taken.begin() + static_cast<std::ptrdiff_t>(taken.size() / 2), taken.end());
    result.step_ms = taken[taken.size() / 2];
    return result;
}

std::map<std::string, std::string> parsed(int argc, char** argv) {
    std::map<std::string, std::string> given{{"with", "all"},   {"virtual-ranks", "0"}, {"layers", "8"},
                                             {"width", "2048"}, {"batch", "256"},       {"bucket-mib", "25"},
                                             {"steps", "40"},   {"blocks", "64"}};
    for (int i = 1; i < argc; i += 2) {
        const std::string name = argv[i];
        if (!name.starts_with("--") || !given.contains(name.substr(2)) || i + 1 == argc) {
            throw blink::usage_error(
                "expected one of --with, --virtual-ranks, --layers, --width, --batch, --bucket-mib, "
                "--steps, --blocks and its value, got '" +
                name + "'");
        }
        given[name.substr(2)] = argv[i + 1];
    }
    return given;
}

std::size_t number(const std::map<std::string, std::string>& given, const std::string& name, std::size_t least) {
    const std::string& text = given.at(name);
    const bool digits = !text.empty() && text.size() < 8 && text.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || std::stoul(text) < least) {
        throw blink::usage_error("--" + name + ": expected a number from " + std::to_string(least) + " on, got '" +
                                 text + "'");
    }
    return std::stoul(text);
}

void run(const std::map<std::string, std::string>& given) {
    const std::string with = given.at("with");
    if (with != "all" && with != "none" && with != "nccl" && with != "blink") {
        throw blink::usage_error("--with: expected all, none, nccl or blink, got '" + with + "'");
    }
    const shape net{number(given, "layers", 1), number(given, "width", 16), number(given, "batch", 1)};
    const std::size_t bucket_bytes = number(given, "bucket-mib", 1) << 20;
    const int steps = static_cast<int>(number(given, "steps", 5));
    blink::group_options choices;
    choices.virtual_ranks = static_cast<int>(number(given, "virtual-ranks", 0));
    if (choices.virtual_ranks > 0) { choices.ranks = choices.virtual_ranks; }
    choices.blocks = static_cast<int>(number(given, "blocks", 0));
    blink::cuda_group group(choices);
    std::deque<replica> ranks;
    for (int r = 0; r < group.size(); ++r) { ranks.emplace_back(net, r, group.device(r)); }

    std::cout << ranks.size() << " ranks, " << net.layers << " layers of " << net.width << " x " << net.width << ", "
              << net.batch << " samples a rank, " << (net.weights() * sizeof(float) >> 20) << " MiB of gradients in "
              << bucket_bounds(net, bucket_bytes).size() - 1 << " buckets, " << steps << " steps\n"
              << "   through      loss before       loss after    ms a step\n";
    const auto tell = [](const std::string& name, const outcome& o) {
        std::cout << std::setw(10) << name << std::setw(17) << o.first_loss << std::setw(17) << o.last_loss
                  << std::setw(13) << o.step_ms << std::endl;
    };
    if (with == "all" || with == "none") {
        no_exchange none(ranks);
        tell("none", train(ranks, none, bucket_bytes, steps, false));
    }
    if (with == "all" || with == "nccl") {
#if defined(BLINK_EXAMPLE_NCCL)
        const std::string missing = choices.virtual_ranks > 0 ? "it refuses ranks that share a GPU"
                                    : group.size() < 2        ? "there is one GPU"
                                                              : "";
#else
        const std::string missing = "it was not there when this was built";
#endif
        if (!missing.empty()) {
            if (with == "nccl") { throw blink::usage_error("--with nccl: " + missing); }
            std::cout << std::setw(10) << "nccl"
                      << "  not run: " << missing << '\n';
        } else {
#if defined(BLINK_EXAMPLE_NCCL)
            nccl_exchange nccl(ranks);
            tell("nccl", train(ranks, nccl, bucket_bytes, steps, true));
#endif
        }
    }
    if (with == "all" || with == "blink") {
        blink_exchange own(ranks, group);
        tell("blink", train(ranks, own, bucket_bytes, steps, true));
    }
}

} // namespace

int main(int argc, char** argv) {
    try {
        run(parsed(argc, argv));
    } catch (const blink::usage_error& e) {
        std::cerr << argv[0] << ": " << e.what() << '\n';
        return 2;
    } catch (const std::exception& e) {
        std::cerr << argv[0] << ": " << e.what() << '\n';
        return 1;
    }
}
