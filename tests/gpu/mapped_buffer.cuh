// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Memory of a GPU that is mapped by hand, as expandable segments are: one range of addresses, pieces one behind the
/// other.
#pragma once

#include <blink/communicator/mapped_memory.cuh>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace gpu_test {

/// Pieces of whole granules on one GPU; unmapped and freed at the end.
class mapped_buffer {
  public:
    /// @param granules of each piece
    /// @param with_files the pieces can be opened by other processes
    /// @param users devices whose kernels may use it, beside `device`
    mapped_buffer(int device, std::vector<std::size_t> granules, bool with_files, std::vector<int> users = {})
        : users_(std::move(users)) {
        made_.type = CU_MEM_ALLOCATION_TYPE_PINNED;
        made_.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
        made_.location.id = device;
        made_.requestedHandleTypes = with_files ? CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR : CU_MEM_HANDLE_TYPE_NONE;
        users_.push_back(device);
        static auto* const granularity =
            blink::cuda::driver_function<decltype(::cuMemGetAllocationGranularity)>("cuMemGetAllocationGranularity");
        std::size_t granule = 0;
        drive(granularity(&granule, &made_, CU_MEM_ALLOC_GRANULARITY_MINIMUM), "cuMemGetAllocationGranularity");
        for (const std::size_t g : granules) {
            pieces_.push_back({bytes_, g * granule});
            bytes_ += g * granule;
        }
        drive(driver().reserve(&begin_, bytes_, 0, 0, 0), "cuMemAddressReserve");
        for (std::size_t i = 0; i < pieces_.size(); ++i) { map(i); }
    }
    mapped_buffer(const mapped_buffer&) = delete;
    mapped_buffer& operator=(const mapped_buffer&) = delete;
    ~mapped_buffer() {
        for (const auto& [offset, bytes] : pieces_) { (void)driver().unmap(begin_ + offset, bytes); }
        (void)driver().unreserve(begin_, bytes_);
    }

    template <class T>
    [[nodiscard]] T* data() const {
        return reinterpret_cast<T*>(begin_);
    }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    /// Where piece i begins.
    [[nodiscard]] std::size_t offset(std::size_t i) const { return pieces_.at(i).first; }

    /// Takes the right to use piece i from all GPUs but its own.
    void close(std::size_t i) {
        const auto [offset, bytes] = pieces_.at(i);
        for (const int user : users_) {
            if (user != made_.location.id) { set_rights(offset, bytes, user, CU_MEM_ACCESS_FLAGS_PROT_NONE); }
        }
    }

    /// Frees piece i and maps new memory in its place.
    void replace(std::size_t i) {
        drive(driver().unmap(begin_ + pieces_.at(i).first, pieces_.at(i).second), "cuMemUnmap");
        map(i);
    }

  private:
    static const blink::cuda::mapping_driver& driver() { return blink::cuda::mapping_driver::get(); }

    static void drive(CUresult status, const char* call) {
        if (status != CUDA_SUCCESS) {
            throw std::runtime_error(std::string(call) + ": CUDA driver error " + std::to_string(status));
        }
    }

    void map(std::size_t i) {
        static auto* const create = blink::cuda::driver_function<decltype(::cuMemCreate)>("cuMemCreate");
        const auto [offset, bytes] = pieces_.at(i);
        CUmemGenericAllocationHandle memory = 0;
        drive(create(&memory, bytes, &made_, 0), "cuMemCreate");
        drive(driver().map(begin_ + offset, bytes, 0, memory, 0), "cuMemMap");
        drive(driver().release(memory), "cuMemRelease"); // what is mapped stays
        for (const int user : users_) { set_rights(offset, bytes, user, CU_MEM_ACCESS_FLAGS_PROT_READWRITE); }
    }

    void set_rights(std::size_t offset, std::size_t bytes, int user, CUmemAccess_flags rights) {
        CUmemAccessDesc access{};
        access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
        access.location.id = user;
        access.flags = rights;
        drive(driver().set_access(begin_ + offset, bytes, &access, 1), "cuMemSetAccess");
    }

    CUmemAllocationProp made_{};
    std::vector<int> users_;
    std::vector<std::pair<std::size_t, std::size_t>> pieces_; ///< offset and bytes of each
    std::size_t bytes_ = 0;
    CUdeviceptr begin_ = 0;
};

} // namespace gpu_test
