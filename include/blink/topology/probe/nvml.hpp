// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The part of NVML that the probe calls, opened at run time: neither its header nor its library is needed to build.
///
/// The declarations follow nvml.h: numbers of fields and enumerators, and the layout of two structures.
#pragma once

#include <blink/topology/probe/gpu_facts.hpp>
#include <blink/topology/probe/library.hpp>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace blink::detail::nvml {

struct device_record;
using device = device_record*;
using status = int; ///< 0: success

struct pci_info {
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
};

struct field_value {
    unsigned field;
    unsigned scope; ///< the link, for fields of links
    long long timestamp;
    long long latency_us;
    unsigned type;
    status result;
    union {
        double d;
        unsigned u;
        unsigned long long ull;
    } value;
};

inline constexpr unsigned field_nvlink_state = 165; ///< NVML_FI_DEV_NVLINK_GET_STATE, a 32-bit value
inline constexpr int remote_gpu = 0;                ///< NVML_NVLINK_DEVICE_TYPE_GPU
inline constexpr int remote_cpu = 1;                ///< NVML_NVLINK_DEVICE_TYPE_IBMNPU
inline constexpr int remote_switch = 2;             ///< NVML_NVLINK_DEVICE_TYPE_SWITCH
inline constexpr int caps_read = 0;                 ///< NVML_P2P_CAPS_INDEX_READ
inline constexpr int caps_write = 1;                ///< NVML_P2P_CAPS_INDEX_WRITE
inline constexpr int p2p_unknown = 6;               ///< NVML_P2P_STATUS_UNKNOWN

/// NVML, initialised while it lives.
class api {
  public:
    api() : library_("libnvidia-ml.so.1") {
        library_.find(init_, "nvmlInit_v2");
        library_.find(shutdown_, "nvmlShutdown");
        library_.find(error_string_, "nvmlErrorString");
        library_.find(count_, "nvmlDeviceGetCount_v2");
        library_.find(by_index_, "nvmlDeviceGetHandleByIndex_v2");
        library_.find(by_bus_id_, "nvmlDeviceGetHandleByPciBusId_v2");
        library_.find(pci_, "nvmlDeviceGetPciInfo_v3");
        library_.find(uuid_, "nvmlDeviceGetUUID");
        library_.find(name_, "nvmlDeviceGetName");
        library_.find(capability_, "nvmlDeviceGetCudaComputeCapability");
        library_.find(link_state_, "nvmlDeviceGetNvLinkState");
        library_.find(fields_, "nvmlDeviceGetFieldValues");
        library_.find(remote_pci_, "nvmlDeviceGetNvLinkRemotePciInfo_v2");
        library_.find(remote_type_, "nvmlDeviceGetNvLinkRemoteDeviceType");
        library_.find(p2p_, "nvmlDeviceGetP2PStatus");
        library_.find(ancestor_, "nvmlDeviceGetTopologyCommonAncestor");
        library_.find(generation_, "nvmlDeviceGetMaxPcieLinkGeneration");
        library_.find(width_, "nvmlDeviceGetMaxPcieLinkWidth");
        if (!library_) {
            reason_ = library_.reason();
        } else if (init_ == nullptr || shutdown_ == nullptr || count_ == nullptr || by_index_ == nullptr) {
            reason_ = "libnvidia-ml.so.1 lacks nvmlInit_v2 and its like";
        } else if (const status s = init_(); s != 0) {
            const char* words = error_string_ != nullptr ? error_string_(s) : nullptr;
            reason_ = "nvmlInit_v2: " + (words != nullptr ? std::string(words) : "error " + std::to_string(s));
        } else {
            ready_ = true;
        }
    }
    ~api() {
        if (ready_) { shutdown_(); }
    }
    api(const api&) = delete;
    api& operator=(const api&) = delete;

    [[nodiscard]] bool ready() const noexcept { return ready_; }
    /// Why it is not ready.
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

    [[nodiscard]] std::vector<device> devices() const {
        std::vector<device> all;
        unsigned n = 0;
        if (count_(&n) != 0) { return all; }
        for (unsigned i = 0; i < n; ++i) {
            device d{};
            if (by_index_(i, &d) == 0) { all.push_back(d); }
        }
        return all;
    }

    [[nodiscard]] std::optional<device> at_bus(const std::string& id) const {
        device d{};
        if (by_bus_id_ == nullptr || by_bus_id_(id.c_str(), &d) != 0) { return std::nullopt; }
        return d;
    }

    [[nodiscard]] std::string uuid(device d) const { return text(uuid_, d); }

    /// Everything about `all[mine]` that NVML knows; what it does not know stays unknown.
    [[nodiscard]] gpu_facts facts(const std::vector<device>& all, std::size_t mine) const {
        const device d = all[mine];
        gpu_facts f;
        f.name = text(name_, d);
        pci_info pci{};
        if (pci_ != nullptr && pci_(d, &pci) == 0) { f.bus_id = pci.bus_id; }
        int major = 0;
        int minor = 0;
        if (capability_ != nullptr && capability_(d, &major, &minor) == 0) { f.sm = 10 * major + minor; }
        f.pcie_generation = number(generation_, d);
        f.pcie_width = number(width_, d);
        for (unsigned link = 0; link < static_cast<unsigned>(most_nvlinks(f.sm)); ++link) {
            if (active(d, f.sm, link)) { f.links.push_back(remote_of(d, link)); }
        }
        for (const device peer : all) {
            f.peers.push_back(peer == d ? peer_access::yes : access(d, peer));
            f.distances.push_back(peer == d ? pcie_distance::pix : distance(d, peer));
        }
        return f;
    }

  private:
    template <class Function>
    [[nodiscard]] static std::string text(Function* function, device d) {
        std::array<char, 96> buffer{};
        const bool good = function != nullptr && function(d, buffer.data(), unsigned{buffer.size()}) == 0;
        return good ? buffer.data() : "";
    }

    template <class Function>
    [[nodiscard]] static int number(Function* function, device d) {
        unsigned n = 0;
        return function != nullptr && function(d, &n) == 0 ? static_cast<int>(n) : 0;
    }

    /// From Hopper on the state of a link is a field; the older call does not know all links there.
    [[nodiscard]] bool active(device d, int sm, unsigned link) const {
        if (sm >= 90 && fields_ != nullptr) {
            field_value v{};
            v.field = field_nvlink_state;
            v.scope = link;
            if (fields_(d, 1, &v) == 0 && v.result == 0) { return v.value.u == 1; }
        }
        int on = 0;
        return link_state_ != nullptr && link_state_(d, link, &on) == 0 && on == 1;
    }

    [[nodiscard]] nvlink_fact remote_of(device d, unsigned link) const {
        nvlink_fact f;
        int type = -1;
        if (remote_type_ != nullptr && remote_type_(d, link, &type) == 0) {
            if (type == remote_gpu) { f.end = nvlink_fact::remote::gpu; }
            if (type == remote_cpu) { f.end = nvlink_fact::remote::cpu; }
            if (type == remote_switch) { f.end = nvlink_fact::remote::nvswitch; }
        }
        pci_info pci{};
        const bool named = f.end == nvlink_fact::remote::nvswitch || f.end == nvlink_fact::remote::cpu;
        if (!named && remote_pci_ != nullptr && remote_pci_(d, link, &pci) == 0) {
            f.bus_id = pci.bus_id;
            device there{};
            const bool gpu = by_bus_id_ != nullptr && by_bus_id_(pci.bus_id, &there) == 0;
            if (gpu) { f.end = nvlink_fact::remote::gpu; }
        }
        if (f.end == nvlink_fact::remote::gpu && f.bus_id.empty()) { f.end = nvlink_fact::remote::unknown; }
        return f;
    }

    [[nodiscard]] peer_access access(device a, device b) const {
        bool known = p2p_ != nullptr;
        for (const int caps : {caps_read, caps_write}) {
            int s = p2p_unknown;
            if (!known || p2p_(a, b, caps, &s) != 0 || s == p2p_unknown) {
                known = false;
            } else if (s != 0) {
                return peer_access::no;
            }
        }
        return known ? peer_access::yes : peer_access::unknown;
    }

    [[nodiscard]] pcie_distance distance(device a, device b) const {
        int level = -1;
        if (ancestor_ == nullptr || ancestor_(a, b, &level) != 0) { return pcie_distance::unknown; }
        switch (level) {
        case 0: // two GPUs of one board
        case 10:
            return pcie_distance::pix;
        case 20:
            return pcie_distance::pxb;
        case 30:
            return pcie_distance::phb;
        case 40:
            return pcie_distance::node;
        case 50:
            return pcie_distance::sys;
        default:
            return pcie_distance::unknown;
        }
    }

    library library_;
    bool ready_ = false;
    std::string reason_;
    status (*init_)() = nullptr;
    status (*shutdown_)() = nullptr;
    const char* (*error_string_)(status) = nullptr;
    status (*count_)(unsigned*) = nullptr;
    status (*by_index_)(unsigned, device*) = nullptr;
    status (*by_bus_id_)(const char*, device*) = nullptr;
    status (*pci_)(device, pci_info*) = nullptr;
    status (*uuid_)(device, char*, unsigned) = nullptr;
    status (*name_)(device, char*, unsigned) = nullptr;
    status (*capability_)(device, int*, int*) = nullptr;
    status (*link_state_)(device, unsigned, int*) = nullptr;
    status (*fields_)(device, int, field_value*) = nullptr;
    status (*remote_pci_)(device, unsigned, pci_info*) = nullptr;
    status (*remote_type_)(device, unsigned, int*) = nullptr;
    status (*p2p_)(device, device, int, int*) = nullptr;
    status (*ancestor_)(device, device, int*) = nullptr;
    status (*generation_)(device, unsigned*) = nullptr;
    status (*width_)(device, unsigned*) = nullptr;
};

} // namespace blink::detail::nvml
