// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Writes a machine as NCCL's topology XML, for NCCL_TOPO_FILE.
///
/// The format says speeds by model names: NVLinks by the compute capability of the GPU, links between sockets by the
/// processor. So what is written is a machine of such parts; `read_nccl_xml` gives the same wires back. What the format
/// has no words for is refused by name: networks, several NVSwitches, GPUs without a PCIe tree, speeds of no model.
/// PCIe switches and hosts without a GPU beneath are left out, and so is a name of more than 255 bytes.
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/xml.hpp>
#include <blink/topology/nccl_speeds.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace blink {
namespace detail {

class nccl_writer {
  public:
    explicit nccl_writer(const topology& t) : t_(t) {
        const auto vertices = static_cast<std::size_t>(t.vertex_count());
        up_.assign(vertices, {-1, 0});
        nvlinks_.resize(vertices);
        socket_.assign(vertices, 0);
        leads_.assign(vertices, false);
        for (const link& l : t.links()) { wires_[{l.from, l.to, l.kind}].push_back(l); }
        for (const link& l : t.links()) { take(l); }
        check();
    }

    [[nodiscard]] std::string text() const {
        const std::string name = xml::escaped(t_.name());
        const bool short_enough = name.size() <= 255; // NCCL refuses files with longer values
        std::string out = "<system version=\"1\"" + (short_enough ? " name=\"" + name + "\"" : "") + ">\n";
        int numa = 0;
        for (int v = 0; v < t_.vertex_count(); ++v) {
            if (t_.kind_of(v) != vertex_kind::host || !leads_[static_cast<std::size_t>(v)]) { continue; }
            const nccl_cpu& cpu = processor(v);
            out += "  <cpu numaid=\"" + std::to_string(numa++) + "\" affinity=\"ffffffff\" arch=\"" +
                   std::string(cpu.arch) + "\" vendor=\"" + std::string(cpu.vendor) + "\" familyid=\"" +
                   std::to_string(cpu.family) + "\" modelid=\"" + std::to_string(cpu.model) + "\">\n";
            write_below(out, v, 2);
            out += "  </cpu>\n";
        }
        return out + "</system>\n";
    }

  private:
    struct uplink {
        int to;
        double GBps;
    };

    [[noreturn]] void refuse(const std::string& what) const {
        throw usage_error(t_.name() + " cannot be written as NCCL XML: " + what);
    }

    [[nodiscard]] std::string called(int v) const {
        return v < t_.gpu_count() ? "GPU " + std::to_string(v)
                                  : std::string(to_string(t_.kind_of(v))) + " " + std::to_string(v);
    }

    [[nodiscard]] static int level(vertex_kind k) noexcept {
        return k == vertex_kind::gpu ? 0 : k == vertex_kind::pcie_switch ? 1 : 2;
    }

    void take(const link& l) {
        const std::string way = "the link from " + called(l.from) + " to " + called(l.to);
        if (l.kind == link_kind::network) { refuse(way + " is a network"); }
        if (l.latency_us > 0) { refuse(way + " has a latency"); }
        link back = l;
        std::swap(back.from, back.to);
        const auto other = wires_.find({back.from, back.to, back.kind});
        if (other == wires_.end() || other->second != std::vector{back} || wires_[{l.from, l.to, l.kind}].size() != 1) {
            refuse(way + " is not one of two equal directions");
        }
        if (l.kind == link_kind::nvlink) { return take_nvlink(l, way); }
        if (l.lanes != 1) { refuse(way + " has several PCIe lanes"); }
        const vertex_kind from = t_.kind_of(l.from);
        const vertex_kind to = t_.kind_of(l.to);
        if (from == vertex_kind::host && to == vertex_kind::host) {
            double& speed = socket_[static_cast<std::size_t>(l.from)];
            if (speed > 0 && speed != l.GBps) { refuse(called(l.from) + " has links to hosts of different speeds"); }
            speed = l.GBps;
            ++socket_links_;
            return;
        }
        const bool sideways = level(from) == level(to) && from != vertex_kind::pcie_switch;
        if (sideways || from == vertex_kind::nvswitch || to == vertex_kind::nvswitch) {
            refuse(way + " is no part of a PCIe tree");
        }
        pcie_.push_back(l);
    }

    void take_nvlink(const link& l, const std::string& way) {
        const vertex_kind to = t_.kind_of(l.to);
        if (t_.kind_of(l.from) != vertex_kind::gpu) { return; } // the other direction says it
        if (to != vertex_kind::gpu && to != vertex_kind::nvswitch) { refuse(way + " is an NVLink"); }
        nvlinks_[static_cast<std::size_t>(l.from)].push_back(l);
    }

    /// Hangs every device below another, from the hosts down: two switches do not say which is the upper one.
    void hang() {
        std::vector<int> frontier;
        for (int v = 0; v < t_.vertex_count(); ++v) {
            if (t_.kind_of(v) == vertex_kind::host) { frontier.push_back(v); }
        }
        std::vector<bool> seen(up_.size(), false);
        for (const int v : frontier) { seen[static_cast<std::size_t>(v)] = true; }
        std::size_t used = 0;
        for (std::size_t i = 0; i < frontier.size(); ++i) {
            for (const link& l : pcie_) {
                if (l.to != frontier[i] || seen[static_cast<std::size_t>(l.from)]) { continue; }
                seen[static_cast<std::size_t>(l.from)] = true;
                up_[static_cast<std::size_t>(l.from)] = {l.to, l.GBps};
                used += 2;
                if (l.from >= t_.gpu_count()) { frontier.push_back(l.from); }
            }
        }
        for (int v = 0; v < t_.vertex_count(); ++v) {
            if (t_.kind_of(v) != vertex_kind::nvswitch && !seen[static_cast<std::size_t>(v)]) {
                refuse(called(v) + " hangs below no host");
            }
        }
        if (used != pcie_.size()) { refuse("its PCIe links are no tree"); }
    }

    void check() {
        int hubs = 0;
        std::size_t hosts = 0;
        for (int v = 0; v < t_.vertex_count(); ++v) {
            const vertex_kind k = t_.kind_of(v);
            hubs += k == vertex_kind::nvswitch ? 1 : 0;
            hosts += k == vertex_kind::host ? 1 : 0;
            if (k == vertex_kind::network_switch) { refuse(called(v) + " belongs to a network"); }
        }
        if (hubs > 1) { refuse("it has " + std::to_string(hubs) + " NVSwitches, where NCCL has one"); }
        if (socket_links_ != hosts * (hosts - 1)) { refuse("its hosts are not joined each to each"); }
        hang();
        for (int g = 0; g < t_.gpu_count(); ++g) {
            for (int v = g; v != -1; v = up_[static_cast<std::size_t>(v)].to) {
                leads_[static_cast<std::size_t>(v)] = true;
            }
        }
    }

    /// The compute capability of a GPU: one whose NVLinks have the speed of these, and that has so many of them.
    [[nodiscard]] int capability(int g) const {
        const auto& wires = nvlinks_[static_cast<std::size_t>(g)];
        int lanes = 0;
        for (const link& l : wires) { lanes += l.lanes; }
        const int usual = lanes == 0 ? 80 : lanes <= 6 ? 70 : lanes <= 12 ? 80 : 90;
        for (const int sm : {usual, 60, 86, 100}) {
            const auto fits = [sm](const link& l) { return l.GBps == l.lanes * nvlink_GBps(sm); };
            if (std::ranges::all_of(wires, fits)) { return sm; }
        }
        refuse("the NVLinks of " + called(g) + " have the speed of no known GPU: expected 20, 25, 14.0625 or 50 GB/s");
    }

    /// Rate and width of the PCIe link above v.
    [[nodiscard]] std::string pcie(int v) const {
        const double GBps = up_[static_cast<std::size_t>(v)].GBps;
        for (const int width : {16, 8, 4, 2, 1}) {
            for (const pcie_rate& r : pcie_rates) {
                if (r.x16_GBps * width / 16 != GBps) { continue; }
                return " link_speed=\"" + std::string(r.spelling) + "\" link_width=\"" + std::to_string(width) + "\"";
            }
        }
        refuse("the PCIe link above " + called(v) + " has the speed of no PCIe generation and width");
    }

    [[nodiscard]] const nccl_cpu& processor(int host) const {
        const double speed = socket_[static_cast<std::size_t>(host)];
        const auto* cpu =
            std::ranges::find_if(nccl_cpus, [&](const nccl_cpu& c) { return speed == 0 || socket_GBps(c) == speed; });
        if (cpu == nccl_cpus.end()) {
            refuse("the links of " + called(host) + " to other hosts have the speed of no known processor");
        }
        return *cpu;
    }

    [[nodiscard]] static std::string busid(int v) {
        std::array<char, 24> text{};
        std::snprintf(text.data(), text.size(), "0000:%02x:%02x.0", (v + 1) / 32 % 256, (v + 1) % 32);
        return text.data();
    }

    void write_below(std::string& out, int up, int depth) const {
        const std::string indent(static_cast<std::size_t>(2 * depth), ' ');
        for (int v = 0; v < t_.vertex_count(); ++v) {
            if (up_[static_cast<std::size_t>(v)].to != up || !leads_[static_cast<std::size_t>(v)]) { continue; }
            const bool is_gpu = v < t_.gpu_count();
            out += indent + "<pci busid=\"" + busid(v) + "\" class=\"" + (is_gpu ? "0x030200" : "0x060400") + "\"" +
                   pcie(v) + ">\n";
            if (is_gpu) {
                write_gpu(out, v, indent + "  ");
            } else {
                write_below(out, v, depth + 1);
            }
            out += indent + "</pci>\n";
        }
    }

    void write_gpu(std::string& out, int g, const std::string& indent) const {
        const auto& wires = nvlinks_[static_cast<std::size_t>(g)];
        const std::string number = std::to_string(g);
        out += indent + "<gpu dev=\"" + number + "\" sm=\"" + std::to_string(capability(g)) + "\" rank=\"" + number +
               "\" gdr=\"1\"" + (wires.empty() ? "/>\n" : ">\n");
        for (const link& l : wires) {
            const bool hub = t_.kind_of(l.to) == vertex_kind::nvswitch;
            out += indent + "  <nvlink target=\"" + busid(l.to) + "\" count=\"" + std::to_string(l.lanes) +
                   "\" tclass=\"" + (hub ? "0x068000" : "0x030200") + "\"/>\n";
        }
        if (!wires.empty()) { out += indent + "</gpu>\n"; }
    }

    const topology& t_;
    std::map<std::tuple<int, int, link_kind>, std::vector<link>> wires_;
    std::vector<uplink> up_;                 ///< by vertex
    std::vector<std::vector<link>> nvlinks_; ///< by GPU
    std::vector<double> socket_;             ///< by host: speed of its links to other hosts
    std::vector<link> pcie_;                 ///< of the trees, both directions
    std::vector<bool> leads_;                ///< by vertex: to a GPU beneath
    std::size_t socket_links_ = 0;
};

} // namespace detail

/// The text of a file for NCCL_TOPO_FILE. Bus ids are made up: GPU g is at the g-th.
/// @throw usage_error naming what the format cannot express
[[nodiscard]] inline std::string write_nccl_xml(const topology& t) { return detail::nccl_writer(t).text(); }

} // namespace blink
