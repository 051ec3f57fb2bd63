// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Iterations of data-parallel training on every kind of fragment of a DGX-1V in modelled time: the gradients of four
/// networks over Blink's trees and over what NCCL forms there. Needs no GPU.
#include <blink/execute/simulate/double_tree.hpp>
#include <blink/execute/simulate/relayed_rings.hpp>
#include <blink/plan.hpp>
#include <blink/topology/machines/dgx1.hpp>

#include <cstddef>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fragments.hpp"
#include "networks.hpp"
#include "peer_gpu.hpp"
#include "replay.hpp"

namespace {

using blink::collective;

/// What a V100 computes in single precision.
struct speed {
    blink_paper::network net;
    double images_per_s;
};

/// ResNet50 and AlexNet: MXNet 1.2, docs/faq/perf.md, training on an EC2 p3.2xlarge with 32 images a batch. VGG16:
/// u39kun/deep-learning-benchmark, PyTorch 0.3 on an Amazon p3, 83.5 ms for 16 images. ResNet18: assumed, by the FLOPs
/// of an image at the rate of ResNet50.
std::vector<speed> usual_speeds() {
    constexpr double resnet50_images_per_s = 298.51;
    const double resnet18_images_per_s =
        resnet50_images_per_s * forward_flops(blink_paper::resnet50()) / forward_flops(blink_paper::resnet18());
    return {{blink_paper::resnet18(), resnet18_images_per_s},
            {blink_paper::resnet50(), resnet50_images_per_s},
            {blink_paper::alexnet(), 2359.73},
            {blink_paper::vgg16(), 16 / 0.0835}};
}

struct contender {
    std::string who;
    std::string wires;
    blink::schedule s;
    blink::fabric f;
};

std::vector<contender> contenders(const blink::topology& machine, const std::vector<int>& gpus) {
    const blink::plan p = blink::make_plan(machine, gpus, collective::allreduce);
    std::vector<contender> all{{"blink", "nvlink", p.schedule, p.fabric}};
    const auto add = [&](const std::string& who, const blink::baseline& b) {
        const bool pcie = b.label.find("PCIe") != std::string::npos;
        all.push_back({who, pcie ? "pcie" : "nvlink", b.s, b.f});
    };
    const blink::fabric f = blink::make_fabric(blink::induced(machine, gpus), blink::link_choice::all);
    add("rings", blink::ring_allreduce(f));
    add("relayed", blink::relayed_rings(f, collective::allreduce));
    add("chains", blink::chain_allreduce(f));
    try {
        add("double_tree", blink::double_tree_allreduce(f));
    } catch (const blink::plan_error&) { // the trees need hops that this fragment has not
    }
    return all;
}

void replay_fragment(const blink::topology& machine, const std::vector<int>& gpus, const std::vector<speed>& speeds,
                     int batch, std::ostream& csv) {
    std::string name;
    for (const int g : gpus) { name += std::to_string(g); }
    for (const contender& c : contenders(machine, gpus)) {
        std::map<std::size_t, double> known;
        const auto allreduce_s = [&](std::size_t bytes) {
            const auto [at, added] = known.try_emplace(bytes, 0);
            if (added) {
                const auto layout = blink_paper::layout_on_peers(c.s, bytes);
                at->second = blink::simulate_blocks(c.s, c.f, bytes, layout, blink_paper::peer_costs).seconds;
            }
            return at->second;
        };
        for (const speed& s : speeds) {
            const double compute_s = batch / s.images_per_s;
            const auto t = blink_paper::replay(blink_paper::make_buckets(s.net, compute_s), compute_s, allreduce_s);
            csv << s.net.name << ',' << name << ',' << batch << ',' << s.images_per_s << ',' << c.who << ',' << c.wires
                << ',' << t.compute_s * 1e3 << ',' << t.communication_s * 1e3 << ',' << t.iteration_s * 1e3 << '\n';
        }
    }
}

[[noreturn]] void usage(const std::string& program) {
    std::cerr << "usage: " << program
              << " FILE.csv [--batch IMAGES A GPU, default 32] [--images-per-second NETWORK=NUMBER]...\n"
                 "       NETWORK: ResNet18, ResNet50, AlexNet or VGG16; what one GPU computes alone\n";
    std::exit(2);
}

/// The whole of `text` as a number above 0.
/// @throw blink::usage_error
double positive(const std::string& text) {
    std::size_t used = 0;
    double value = 0;
    try {
        value = std::stod(text, &used);
    } catch (const std::exception&) { used = 0; }
    if (used != text.size() || !(value > 0)) { throw blink::usage_error("'" + text + "' is no number above 0"); }
    return value;
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv, argv + argc);
    if (words.size() < 2 || words.size() % 2 != 0) { usage(words[0]); }
    try {
        std::vector<speed> speeds = usual_speeds();
        int batch = 32;
        for (std::size_t i = 2; i < words.size(); i += 2) {
            const std::string& value = words[i + 1];
            const std::size_t equals = value.find('=');
            if (words[i] == "--batch") {
                batch = static_cast<int>(positive(value));
                if (batch < 1) { throw blink::usage_error("a batch has at least one image"); }
            } else if (words[i] == "--images-per-second" && equals != std::string::npos) {
                bool found = false;
                for (speed& s : speeds) {
                    if (s.net.name != value.substr(0, equals)) { continue; }
                    s.images_per_s = positive(value.substr(equals + 1));
                    found = true;
                }
                if (!found) { throw blink::usage_error("there is no network '" + value.substr(0, equals) + "'"); }
            } else {
                usage(words[0]);
            }
        }
        std::ofstream csv(words[1]);
        csv << "network,ranks,batch,images_per_s,who,wires,compute_ms,communication_ms,iteration_ms\n";
        const blink::topology machine(blink::dgx1v);
        const auto fragments = blink_paper::unique_fragments(machine);
        std::cout << machine.name() << ": " << fragments.size() << " configurations\n";
        for (const std::vector<int>& gpus : fragments) { replay_fragment(machine, gpus, speeds, batch, csv); }
        csv.close();
        if (!csv) { throw blink::error(words[1] + ": cannot be written"); }
    } catch (const std::exception& e) {
        std::cerr << words[0] << ": " << e.what() << '\n';
        return 1;
    }
    return 0;
}
