// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Reads NCCL's topology XML: what NCCL_TOPO_DUMP_FILE writes, and a complete file for NCCL_TOPO_FILE.
///
///     <system version="1">
///       <cpu numaid="0" arch="x86_64" vendor="GenuineIntel" familyid="6" modelid="85">
///         <pci busid="0000:1a:00.0" class="0x060400" link_speed="8.0 GT/s PCIe" link_width="16">
///           <pci busid="0000:1b:00.0" class="0x030200" link_speed="8.0 GT/s PCIe" link_width="16">
///             <gpu dev="0" sm="70" rank="0" gdr="1"><nvlink target="0000:1c:00.0" count="2" tclass="0x030200"/></gpu>
///
/// GPUs are numbered in the order of their ranks, or of `dev` where no rank stands; as in NCCL, where some have ranks
/// the others take no part. All NVSwitches are one vertex. A `cpu` is a host, joined to those of the same `host_hash`.
/// Switches and hosts without a GPU beneath, NICs, and NVLinks to GPUs that the file does not have are left out.
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/xml.hpp>
#include <blink/topology/nccl_speeds.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace blink {
namespace detail {

/// Collects the parts of one file. Vertices are numbered at the end, since GPUs come first.
class nccl_reader {
  public:
    nccl_reader(const xml::element& system, std::string_view file) : system_(system), file_(file) {}

    topology read() {
        if (system_.name != "system") {
            throw xml::format_error(system_.line, "found <" + system_.name +
                                                      ">, expected <system> as in the file that "
                                                      "NCCL_TOPO_DUMP_FILE names");
        }
        for (const xml::element& cpu : system_.children) {
            if (cpu.name == "cpu") { add_cpu(cpu); }
        }
        order_gpus();
        return assemble();
    }

  private:
    static constexpr std::size_t most_gpus = 1024;
    static constexpr std::size_t most_hosts = 256;
    static constexpr int most_lanes = 1024;

    /// A switch or a host; `up` is what it hangs on, -1 for a host.
    struct inner {
        vertex_kind kind;
        int up;
        double GBps;
        int height = 0; ///< levels down to the farthest GPU beneath; 0 where there is none
        int vertex = -1;
    };
    struct gpu {
        const xml::element* element;
        std::uint64_t busid;
        int up;
        double GBps;
        int host;
        int sm;
    };
    struct host {
        int at; ///< index into `inner_`
        std::string machine;
        double socket_GBps;
    };

    [[nodiscard]] static std::string text_of(const xml::element& e, std::string_view key, std::string_view otherwise) {
        const xml::attribute* a = e.find(key);
        return a == nullptr ? std::string(otherwise) : a->value;
    }

    [[nodiscard]] static int int_of(const xml::element& e, std::string_view key, int low, int high, int otherwise) {
        const xml::attribute* a = e.find(key);
        return a == nullptr ? otherwise : xml::as_int(*a, low, high);
    }

    /// A bus id such as 0000:1a:00.0 as a number.
    [[nodiscard]] static std::uint64_t busid_of(const xml::attribute& a) {
        std::string digits;
        for (const char c : a.value) {
            if (c != ':' && c != '.') { digits += c; }
        }
        std::uint64_t id = 0;
        const char* end = digits.data() + digits.size();
        const auto [last, status] = std::from_chars(digits.data(), end, id, 16);
        if (status != std::errc{} || last != end) {
            throw xml::format_error(a.line,
                                    "found " + a.name + "=\"" + a.value + "\", expected a bus id such as 0000:1a:00.0");
        }
        return id;
    }

    /// Capacity of the link above a device. Where the system could not tell, NCCL takes sixteen lanes of 8 GT/s.
    [[nodiscard]] static double pcie_GBps(const xml::element& pci) {
        const std::string speed = text_of(pci, "link_speed", "");
        const int width = int_of(pci, "link_width", 0, 255, 0);
        double GTps = 0;
        std::from_chars(speed.data(), speed.data() + speed.size(), GTps);
        const auto* rate = std::ranges::find(pcie_rates, GTps, &pcie_rate::GTps);
        return (rate == pcie_rates.end() ? pcie_gen3_GBps : rate->x16_GBps) * (width == 0 ? 16 : width) / 16;
    }

    void add_cpu(const xml::element& cpu) {
        if (hosts_.size() == most_hosts) {
            throw xml::format_error(cpu.line, "found a 257th <cpu>, expected at most 256");
        }
        const std::string arch = text_of(cpu, "arch", "x86_64");
        const std::string vendor = text_of(cpu, "vendor", "GenuineIntel");
        const double socket =
            socket_GBps({arch, vendor, int_of(cpu, "familyid", 0, 65535, 6), int_of(cpu, "modelid", 0, 65535, 0x55)});
        hosts_.push_back({static_cast<int>(inner_.size()), text_of(cpu, "host_hash", ""), socket});
        inner_.push_back({vertex_kind::host, -1, 0});
        const int at = hosts_.back().at;
        for (const xml::element& child : cpu.children) {
            if (child.name == "pci") { add_pci(child, at); }
        }
    }

    void add_pci(const xml::element& pci, int up) {
        const double GBps = pcie_GBps(pci);
        const auto is_gpu = [](const xml::element& e) { return e.name == "gpu"; };
        const auto found = std::ranges::find_if(pci.children, is_gpu);
        if (found != pci.children.end()) {
            add_gpu(*found, pci, up, GBps);
            if (const auto second = std::find_if(found + 1, pci.children.end(), is_gpu); second != pci.children.end()) {
                throw xml::format_error(second->line, "found a second <gpu> in a <pci>, expected one (several ranks or "
                                                      "partitions on a GPU are not supported)");
            }
            return;
        }
        const auto at = static_cast<int>(inner_.size());
        inner_.push_back({vertex_kind::pcie_switch, up, GBps});
        for (const xml::element& child : pci.children) {
            if (child.name == "pci") { add_pci(child, at); }
        }
    }

    void add_gpu(const xml::element& e, const xml::element& pci, int up, double GBps) {
        if (gpus_.size() == most_gpus) {
            throw xml::format_error(e.line, "found a 1025th <gpu>, expected at most 1024");
        }
        const xml::attribute& busid = pci.at("busid");
        const int sm = int_of(e, "sm", 10, 999, 0);
        gpus_.push_back({&e, busid_of(busid), up, GBps, static_cast<int>(hosts_.size()) - 1, sm});
    }

    /// Sorts the GPUs, drops those without a rank where others have one, and marks what is above the rest.
    void order_gpus() {
        const auto has_rank = [](const gpu& g) { return g.element->find("rank") != nullptr; };
        const bool ranked = std::ranges::any_of(gpus_, has_rank);
        if (ranked) {
            std::erase_if(gpus_, [&](const gpu& g) { return !has_rank(g); });
        }
        if (gpus_.empty()) {
            throw xml::format_error(system_.line,
                                    "found no <gpu>, expected one or more: a file that leaves them to NCCL "
                                    "describes no machine; let NCCL_TOPO_DUMP_FILE write it");
        }
        const char* const key = ranked ? "rank" : "dev";
        std::vector<std::pair<int, gpu>> numbered;
        for (const gpu& g : gpus_) { numbered.emplace_back(xml::as_int(g.element->at(key), 0, 65535), g); }
        std::ranges::stable_sort(numbered, {}, [](const auto& n) { return n.first; });
        for (std::size_t i = 0; i < gpus_.size(); ++i) {
            gpus_[i] = numbered[i].second;
            if (i > 0 && numbered[i].first == numbered[i - 1].first) {
                throw xml::format_error(gpus_[i].element->line, "found a second GPU with " + std::string(key) + "=\"" +
                                                                    std::to_string(numbered[i].first) +
                                                                    "\", expected different ones");
            }
            const auto number = static_cast<int>(i);
            if (!by_busid_.emplace(std::pair{machine_of(gpus_[i]), gpus_[i].busid}, number).second) {
                throw xml::format_error(gpus_[i].element->line,
                                        "found a second GPU at this bus id, expected different ones");
            }
            int height = 0;
            for (int v = gpus_[i].up; v != -1; v = inner_[static_cast<std::size_t>(v)].up) {
                int& known = inner_[static_cast<std::size_t>(v)].height;
                known = std::max(known, ++height);
            }
        }
    }

    [[nodiscard]] const std::string& machine_of(const gpu& g) const {
        return hosts_[static_cast<std::size_t>(g.host)].machine;
    }

    /// NVLinks of one GPU: lanes to other GPUs by number, to the NVSwitches, and to the CPU.
    struct nvlinks {
        std::map<int, std::pair<int, int>> to_gpus; ///< lanes, and the line that says so
        int to_switch = 0;
        int to_cpu = 0;
    };

    [[nodiscard]] nvlinks nvlinks_of(std::size_t number) const {
        nvlinks n;
        const gpu& g = gpus_[number];
        int sum = 0;
        for (const xml::element& e : g.element->children) {
            if (e.name == "xgmi") {
                throw xml::format_error(e.line, "found <xgmi>, expected <nvlink>: links of AMD GPUs are not supported");
            }
            if (e.name != "nvlink") { continue; }
            const int count = xml::as_int(e.at("count"), 1, most_lanes);
            if ((sum += count) > most_lanes) {
                throw xml::format_error(e.line, "found more than 1024 NVLinks of a GPU, expected fewer");
            }
            const xml::attribute& kind = e.at("tclass");
            if (kind.value.starts_with("0x068001")) {
                n.to_cpu += count;
            } else if (kind.value.starts_with("0x0680")) {
                n.to_switch += count;
            } else if (kind.value.starts_with("0x03")) {
                const auto peer = by_busid_.find({machine_of(g), busid_of(e.at("target"))});
                if (peer == by_busid_.end()) { continue; }
                if (static_cast<std::size_t>(peer->second) == number) {
                    throw xml::format_error(e.line, "found an NVLink of a GPU to itself, expected another target");
                }
                auto& [lanes, line] = n.to_gpus[peer->second];
                lanes += count;
                line = e.line;
            } else {
                throw xml::format_error(kind.line, "found tclass=\"" + kind.value +
                                                       "\", expected 0x03.... (a GPU), 0x068000 (an NVSwitch) or "
                                                       "0x068001 (a CPU)");
            }
        }
        if (g.sm == 0 && sum > 0) { (void)g.element->at("sm"); }
        return n;
    }

    /// Switches and hosts with GPUs beneath: hosts last, lower switches first, else in the order of the file.
    [[nodiscard]] std::vector<int> numbering() const {
        std::vector<int> order;
        for (int i = 0; i < static_cast<int>(inner_.size()); ++i) {
            if (inner_[static_cast<std::size_t>(i)].height > 0) { order.push_back(i); }
        }
        std::ranges::stable_sort(order, {}, [this](int i) {
            const inner& v = inner_[static_cast<std::size_t>(i)];
            return std::pair{v.kind == vertex_kind::host, v.kind == vertex_kind::host ? 0 : v.height};
        });
        return order;
    }

    topology assemble() {
        std::vector<nvlinks> wires;
        for (std::size_t g = 0; g < gpus_.size(); ++g) { wires.push_back(nvlinks_of(g)); }
        const bool hub = std::ranges::any_of(wires, [](const nvlinks& n) { return n.to_switch > 0; });
        std::vector<vertex_kind> vertices(hub ? 1 : 0, vertex_kind::nvswitch);
        const auto count = static_cast<int>(gpus_.size());
        for (const int index : numbering()) {
            inner& v = inner_[static_cast<std::size_t>(index)];
            v.vertex = count + static_cast<int>(vertices.size());
            vertices.push_back(v.kind);
        }
        topology t{text_of(system_, "name", file_), count, std::move(vertices)};
        for (int a = 0; a < count; ++a) { add_nvlinks(t, a, wires); }
        add_pcie(t);
        return t;
    }

    void add_nvlinks(topology& t, int a, const std::vector<nvlinks>& wires) const {
        const nvlinks& own = wires[static_cast<std::size_t>(a)];
        const gpu& g = gpus_[static_cast<std::size_t>(a)];
        const double lane = nvlink_GBps(g.sm);
        for (const auto& [b, lanes_at] : own.to_gpus) {
            const auto [lanes, line] = lanes_at;
            const auto& back = wires[static_cast<std::size_t>(b)].to_gpus;
            const auto mirrored = back.find(a);
            const int others = mirrored == back.end() ? 0 : mirrored->second.first;
            if (others != lanes) {
                throw xml::format_error(line, "found " + std::to_string(lanes) + " NVLinks from GPU " +
                                                  std::to_string(a) + " to GPU " + std::to_string(b) + ", expected " +
                                                  std::to_string(others) + " as the other way");
            }
            if (b < a) { continue; }
            const double slower = std::min(lane, nvlink_GBps(gpus_[static_cast<std::size_t>(b)].sm));
            t.connect({a, b, lanes * slower, lanes, link_kind::nvlink, 0});
        }
        if (own.to_switch > 0) {
            t.connect({a, t.gpu_count(), own.to_switch * lane, own.to_switch, link_kind::nvlink, 0});
        }
        if (own.to_cpu > 0) {
            const int at = hosts_[static_cast<std::size_t>(g.host)].at;
            t.connect(
                {a, inner_[static_cast<std::size_t>(at)].vertex, own.to_cpu * lane, own.to_cpu, link_kind::nvlink, 0});
        }
    }

    void add_pcie(topology& t) const {
        const auto vertex = [this](int i) { return inner_[static_cast<std::size_t>(i)].vertex; };
        for (std::size_t g = 0; g < gpus_.size(); ++g) {
            t.connect({static_cast<int>(g), vertex(gpus_[g].up), gpus_[g].GBps, 1, link_kind::pcie, 0});
        }
        for (const int index : numbering()) {
            const inner& v = inner_[static_cast<std::size_t>(index)];
            if (v.up != -1) { t.connect({v.vertex, vertex(v.up), v.GBps, 1, link_kind::pcie, 0}); }
        }
        for (std::size_t a = 0; a < hosts_.size(); ++a) {
            for (std::size_t b = a + 1; b < hosts_.size(); ++b) {
                if (hosts_[a].machine != hosts_[b].machine || vertex(hosts_[a].at) == -1 ||
                    vertex(hosts_[b].at) == -1) {
                    continue;
                }
                const double slower = std::min(hosts_[a].socket_GBps, hosts_[b].socket_GBps);
                t.connect({vertex(hosts_[a].at), vertex(hosts_[b].at), slower, 1, link_kind::pcie, 0});
            }
        }
    }

    const xml::element& system_;
    std::string_view file_;
    std::vector<inner> inner_;
    std::vector<gpu> gpus_;
    std::vector<host> hosts_;
    std::map<std::pair<std::string, std::uint64_t>, int> by_busid_;
};

} // namespace detail

/// Reads the text of NCCL's topology XML.
/// @param file what errors call the text, and the topology's name where `system` has none
/// @throw topology_error with the file, the line, what was found and what was expected
[[nodiscard]] inline topology read_nccl_xml(std::string_view text, std::string_view file) {
    try {
        const xml::element document = xml::parse(text);
        return detail::nccl_reader(document, file).read();
    } catch (const xml::format_error& e) { throw topology_error(file, e.line(), e.found_and_expected()); }
}

} // namespace blink
