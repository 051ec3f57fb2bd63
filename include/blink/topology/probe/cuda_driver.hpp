// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The part of the CUDA driver that the probe calls, opened at run time: which GPUs CUDA shows, in its order, and what
/// they may do to each other's memory. No context is made.
#pragma once

#include <blink/topology/probe/gpu_facts.hpp>
#include <blink/topology/probe/library.hpp>

#include <array>
#include <string>
#include <vector>

namespace blink::detail {

class cuda_driver {
  public:
    cuda_driver() : library_("libcuda.so.1") {
        library_.find(init_, "cuInit");
        library_.find(count_, "cuDeviceGetCount");
        library_.find(get_, "cuDeviceGet");
        library_.find(name_, "cuDeviceGetName");
        library_.find(bus_id_, "cuDeviceGetPCIBusId");
        library_.find(attribute_, "cuDeviceGetAttribute");
        library_.find(p2p_, "cuDeviceGetP2PAttribute");
        library_.find(error_name_, "cuGetErrorName");
        if (!library_) {
            reason_ = library_.reason();
        } else if (init_ == nullptr || count_ == nullptr || get_ == nullptr || bus_id_ == nullptr) {
            reason_ = "libcuda.so.1 lacks cuInit and its like";
        } else if (const int s = init_(0); s != 0) {
            const char* words = nullptr;
            if (error_name_ != nullptr) { error_name_(s, &words); }
            reason_ = "cuInit: " + (words != nullptr ? std::string(words) : "error " + std::to_string(s));
        } else if (const int t = count_(&devices_); t != 0) {
            devices_ = 0;
            reason_ = "cuDeviceGetCount: error " + std::to_string(t);
        } else {
            ready_ = true;
        }
    }

    [[nodiscard]] bool ready() const noexcept { return ready_; }
    /// Why it is not ready.
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
    [[nodiscard]] int device_count() const noexcept { return devices_; }

    [[nodiscard]] std::string bus_id(int ordinal) const {
        std::array<char, 64> buffer{};
        int device = 0;
        const bool good =
            get_(&device, ordinal) == 0 && bus_id_(buffer.data(), static_cast<int>(buffer.size()), device) == 0;
        return good ? buffer.data() : "";
    }

    /// What the driver itself knows of a GPU, for machines without NVML.
    [[nodiscard]] gpu_facts facts(int ordinal) const {
        gpu_facts f;
        f.bus_id = bus_id(ordinal);
        int device = 0;
        std::array<char, 96> buffer{};
        if (get_(&device, ordinal) != 0) { return f; }
        if (name_ != nullptr && name_(buffer.data(), static_cast<int>(buffer.size()), device) == 0) {
            f.name = buffer.data();
        }
        f.sm = 10 * value_of(attribute_major, device) + value_of(attribute_minor, device);
        add_peers(f, ordinal);
        return f;
    }

    /// Adds what the GPU may do to the memory of the others.
    void add_peers(gpu_facts& f, int ordinal) const {
        f.peers.clear();
        f.native_atomics.clear();
        for (int peer = 0; peer < devices_; ++peer) {
            const int access = peer == ordinal ? 1 : peer_attribute(peer_access_supported, ordinal, peer);
            f.peers.push_back(access < 0 ? peer_access::unknown : access > 0 ? peer_access::yes : peer_access::no);
            f.native_atomics.push_back(peer != ordinal && peer_attribute(peer_atomics_supported, ordinal, peer) == 1);
        }
    }

  private:
    static constexpr int attribute_major = 75;       ///< CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
    static constexpr int attribute_minor = 76;       ///< CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR
    static constexpr int peer_access_supported = 2;  ///< CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED
    static constexpr int peer_atomics_supported = 3; ///< CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED

    [[nodiscard]] int value_of(int attribute, int device) const {
        int v = 0;
        return attribute_ != nullptr && attribute_(&v, attribute, device) == 0 ? v : 0;
    }

    /// -1 where the driver does not say.
    [[nodiscard]] int peer_attribute(int attribute, int from, int to) const {
        int a = 0;
        int b = 0;
        int v = 0;
        const bool good = p2p_ != nullptr && get_(&a, from) == 0 && get_(&b, to) == 0 && p2p_(&v, attribute, a, b) == 0;
        return good ? v : -1;
    }

    library library_;
    bool ready_ = false;
    int devices_ = 0;
    std::string reason_;
    int (*init_)(unsigned) = nullptr;
    int (*count_)(int*) = nullptr;
    int (*get_)(int*, int) = nullptr;
    int (*name_)(char*, int, int) = nullptr;
    int (*bus_id_)(char*, int, int) = nullptr;
    int (*attribute_)(int*, int, int) = nullptr;
    int (*p2p_)(int*, int, int, int) = nullptr;
    int (*error_name_)(int, const char**) = nullptr;
};

} // namespace blink::detail
