// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/machines.hpp>
#include <blink/topology/probe.hpp>
#include <blink/topology/probe/gpu_facts.hpp>
#include <blink/topology/probe/visible_devices.hpp>
#include <blink/topology/write_smi.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace blink;

namespace {

using remote = nvlink_fact::remote;

std::string bus(int gpu) { return "00000000:0" + std::to_string(gpu) + ":00.0"; }

std::vector<gpu_facts> made_up(int gpus, int sm) {
    std::vector<gpu_facts> all(static_cast<std::size_t>(gpus));
    for (int g = 0; g < gpus; ++g) {
        gpu_facts& f = all[static_cast<std::size_t>(g)];
        f.name = "made up";
        f.bus_id = bus(g);
        f.sm = sm;
        f.pcie_generation = 3;
        f.pcie_width = 16;
        f.peers.assign(all.size(), peer_access::yes);
    }
    return all;
}

/// Two H200s with 18 links each; what is at the other ends may be hidden.
std::vector<gpu_facts> two_h200(remote end) {
    auto all = made_up(2, 90);
    for (gpu_facts& f : all) {
        f.links.assign(18, {end, ""});
        f.pcie_generation = 5;
        f.distances = {pcie_distance::node, pcie_distance::node};
    }
    return all;
}

/// A DGX-1V by its link matrix, with the distances of its PCIe tree.
std::vector<gpu_facts> eight_v100() {
    auto all = made_up(8, 70);
    for (std::size_t a = 0; a < 8; ++a) {
        for (std::size_t b = 0; b < 8; ++b) {
            const auto lanes = static_cast<std::size_t>(detail::dgx1v_lanes[a][b]);
            // The other end's id is written as sysfs writes it.
            all[a].links.insert(all[a].links.end(), lanes, {remote::gpu, "0000:0" + std::to_string(b) + ":00.0"});
            all[a].distances.push_back(a / 2 == b / 2   ? pcie_distance::pix
                                       : a / 4 == b / 4 ? pcie_distance::phb
                                                        : pcie_distance::sys);
            const bool joined = lanes > 0 || a == b;
            all[a].peers[b] = joined ? peer_access::yes : peer_access::no;
        }
    }
    return all;
}

} // namespace

TEST_CASE("two H200s are NV18 through one NVSwitch, whether the driver names the switch or hides it") {
    for (const remote end : {remote::nvswitch, remote::unknown}) {
        const topology g = assemble(two_h200(end), "hgx_h200_2");
        CHECK(g == topology{hgx_h200_2});
        CHECK(nvlink_label(g, 0, 1) == "NV18");
    }
}

TEST_CASE("a DGX-1V is found by its links") {
    const topology g = assemble(eight_v100(), "dgx1v");
    CHECK(write_smi(g) == write_smi(dgx1v));
    CHECK(g.vertex_count() == dgx1v.vertex_count());
    CHECK(g.links().size() == dgx1v.links().size());
    CHECK(g.links()[0] == dgx1v.links()[0]);
}

TEST_CASE("links to GPUs that are not visible, or to a CPU, do not count") {
    auto all = eight_v100();
    all.resize(2);
    all[0].links.push_back({remote::cpu, ""});
    CHECK(write_smi(assemble(all)) == "\tGPU0\tGPU1\nGPU0\t X\tNV1\nGPU1\tNV1\t X\n");
}

TEST_CASE("links over which a peer may not be reached do not count") {
    auto all = two_h200(remote::nvswitch);
    all[0].peers[1] = peer_access::no;
    all[1].peers[0] = peer_access::no;
    CHECK(nvlink_label(assemble(all), 0, 1) == "NODE");
}

TEST_CASE("a GPU with fewer links into the switch is as narrow as they are") {
    auto all = two_h200(remote::nvswitch);
    all[1].links.pop_back();
    CHECK(nvlink_label(assemble(all), 0, 1) == "NV17");
}

TEST_CASE("where the driver names no link, native atomics give NVLink away") {
    auto hopper = made_up(2, 90);
    hopper[0].native_atomics = {false, true};
    hopper[1].native_atomics = {true, false};
    CHECK(nvlink_label(assemble(hopper), 0, 1) == "NV18");
    auto volta = hopper;
    volta[0].sm = volta[1].sm = 70;
    CHECK(nvlink_label(assemble(volta), 0, 1) == "NV1");
    CHECK(nvlink_label(assemble(made_up(2, 90)), 0, 1) == "NODE");
}

TEST_CASE("speeds follow the generations") {
    CHECK(nvlink_GBps(60) == 20);
    CHECK(nvlink_GBps(70) == 25);
    CHECK(nvlink_GBps(80) == 25);
    CHECK(nvlink_GBps(90) == 25);
    CHECK(nvlink_GBps(100) == 50);
    CHECK(most_nvlinks(60) == 4);
    CHECK(most_nvlinks(70) == 6);
    CHECK(most_nvlinks(80) == 12);
    CHECK(most_nvlinks(90) == 18);
    CHECK(pcie_GBps(3, 16) == pcie_gen3_GBps);
    CHECK(pcie_GBps(4, 16) == pcie_gen4_GBps);
    CHECK(pcie_GBps(5, 16) == pcie_gen5_GBps);
    CHECK(pcie_GBps(4, 8) == pcie_gen4_GBps / 2);
    CHECK(pcie_GBps(0, 0) == pcie_gen3_GBps);
}

TEST_CASE("CUDA_VISIBLE_DEVICES selects by index and by UUID, in its order") {
    const std::vector<std::string> uuids{"GPU-aaaa-1", "GPU-aabb-2", "GPU-cccc-3"};
    using order = std::vector<int>;
    CHECK(visible_devices(nullptr, uuids) == order{0, 1, 2});
    CHECK(visible_devices("2,0", uuids) == order{2, 0});
    CHECK(visible_devices(" 1 , 2 ", uuids) == order{1, 2});
    CHECK(visible_devices("GPU-cccc-3,GPU-aaaa-1", uuids) == order{2, 0});
    CHECK(visible_devices("GPU-cc,0", uuids) == order{2, 0});
    CHECK(visible_devices("GPU-aa", uuids).empty()); // two GPUs begin so
    CHECK(visible_devices("", uuids).empty());
    CHECK(visible_devices("0,-1,2", uuids) == order{0});
    CHECK(visible_devices("1,7,0", uuids) == order{1});
    CHECK(visible_devices("1,1", uuids).empty());
    CHECK(visible_devices("none", uuids).empty());
}

TEST_CASE("no facts are no machine") {
    CHECK_THROWS_WITH_AS((void)assemble({}), "no NVIDIA GPU is visible", topology_error);
}

TEST_CASE("the probe finds GPUs, or says why there is none") {
    try {
        const topology g = probe();
        CHECK(g.gpu_count() >= 1);
        CHECK(g.gpu_count() == static_cast<int>(probe_facts().size()));
    } catch (const topology_error& e) {
        const std::string message = e.what();
        CHECK(message.starts_with("no NVIDIA GPU is visible: "));
        CHECK(message.size() > std::string("no NVIDIA GPU is visible: ").size());
    }
}

TEST_CASE("GPUs are picked by their bus ids, in any order and spelling") {
    const auto all = eight_v100();
    const std::vector<std::string> ids{"00000000:" + all[4].bus_id.substr(all[4].bus_id.find(':') + 1), all[1].bus_id,
                                       all[0].bus_id};
    const topology g = assemble(detail::picked(all, ids), "three");
    const std::vector<int> order{4, 1, 0};
    const topology whole{dgx1v};
    CHECK(g.gpu_count() == 3);
    for (int a = 0; a < 3; ++a) {
        for (int b = 0; b < 3; ++b) {
            if (a == b) { continue; }
            CHECK(nvlink_label(g, a, b) ==
                  nvlink_label(whole, order[static_cast<std::size_t>(a)], order[static_cast<std::size_t>(b)]));
        }
    }
    const std::vector<std::string> unknown{"0000:99:00.0"};
    CHECK_THROWS_WITH_AS((void)detail::picked(all, unknown), "no driver tells this process of the GPU at 0000:99:00.0",
                         topology_error);
    CHECK_THROWS_AS((void)probe_at(unknown), topology_error);
}
