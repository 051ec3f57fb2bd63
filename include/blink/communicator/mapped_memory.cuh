// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Ranges that are mapped by hand (cuMemCreate, cuMemMap), of one piece or of several one behind the other, such as
/// expandable segments; and the same range in another process.
#pragma once

#include <blink/communicator/allocation.cuh>
#include <blink/communicator/connection.hpp>
#include <blink/communicator/driver_function.cuh>

#include <cuda.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace blink::cuda {

/// The driver's functions for such ranges; null where it has none.
struct mapping_driver {
    decltype(&::cuMemGetAddressRange) range_of =
        driver_function<decltype(::cuMemGetAddressRange)>("cuMemGetAddressRange");
    decltype(&::cuMemRetainAllocationHandle) retain =
        driver_function<decltype(::cuMemRetainAllocationHandle)>("cuMemRetainAllocationHandle");
    decltype(&::cuMemRelease) release = driver_function<decltype(::cuMemRelease)>("cuMemRelease");
    decltype(&::cuMemGetAllocationPropertiesFromHandle) properties =
        driver_function<decltype(::cuMemGetAllocationPropertiesFromHandle)>("cuMemGetAllocationPropertiesFromHandle");
    decltype(&::cuMemExportToShareableHandle) export_handle =
        driver_function<decltype(::cuMemExportToShareableHandle)>("cuMemExportToShareableHandle");
    decltype(&::cuMemImportFromShareableHandle) import_handle =
        driver_function<decltype(::cuMemImportFromShareableHandle)>("cuMemImportFromShareableHandle");
    decltype(&::cuMemAddressReserve) reserve = driver_function<decltype(::cuMemAddressReserve)>("cuMemAddressReserve");
    decltype(&::cuMemAddressFree) unreserve = driver_function<decltype(::cuMemAddressFree)>("cuMemAddressFree");
    decltype(&::cuMemMap) map = driver_function<decltype(::cuMemMap)>("cuMemMap");
    decltype(&::cuMemUnmap) unmap = driver_function<decltype(::cuMemUnmap)>("cuMemUnmap");
    decltype(&::cuMemSetAccess) set_access = driver_function<decltype(::cuMemSetAccess)>("cuMemSetAccess");

    [[nodiscard]] bool complete() const noexcept {
        return range_of != nullptr && retain != nullptr && release != nullptr && properties != nullptr &&
               export_handle != nullptr && import_handle != nullptr && reserve != nullptr && unreserve != nullptr &&
               map != nullptr && unmap != nullptr && set_access != nullptr;
    }

    [[nodiscard]] static const mapping_driver& get() {
        static const mapping_driver functions;
        return functions;
    }
};

/// The allocation that is mapped at an address. While this holds it the driver keeps its memory, and gives its handle
/// to no other.
class held_allocation {
  public:
    /// Holds nothing where nothing is mapped by hand there.
    explicit held_allocation(CUdeviceptr p) noexcept {
        if (mapping_driver::get().retain(&handle_, reinterpret_cast<void*>(p)) != CUDA_SUCCESS) { handle_ = 0; }
    }
    /// Takes over a handle, of an import.
    explicit held_allocation(CUmemGenericAllocationHandle handle, std::nullptr_t) noexcept : handle_(handle) {}
    held_allocation(held_allocation&& other) noexcept : handle_(std::exchange(other.handle_, 0)) {}
    held_allocation& operator=(held_allocation&&) = delete;
    ~held_allocation() {
        if (handle_ != 0) { (void)mapping_driver::get().release(handle_); }
    }

    [[nodiscard]] CUmemGenericAllocationHandle get() const noexcept { return handle_; }

  private:
    CUmemGenericAllocationHandle handle_ = 0;
};

/// A part of a range, with an allocation of its own.
struct mapped_piece {
    CUdeviceptr begin;
    std::size_t bytes;
    held_allocation memory;

    /// Whether it is still what is mapped there.
    [[nodiscard]] bool is_there() const noexcept { return held_allocation(begin).get() == memory.get(); }
};

/// The pieces that `bytes` at `p` lie in, in order; none where any of that is memory of another kind.
[[nodiscard]] inline std::vector<mapped_piece> mapped_pieces(const void* p, std::size_t bytes) {
    const mapping_driver& driver = mapping_driver::get();
    const auto pool = detail::pointer_attribute<CUmemoryPool>(p, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE);
    const auto whole = detail::pointer_attribute<int>(p, CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE);
    if (!driver.complete() || whole.value_or(0) != 0 || pool.value_or(nullptr) != nullptr) { return {}; }
    std::vector<mapped_piece> pieces;
    const auto begin = reinterpret_cast<CUdeviceptr>(p);
    for (CUdeviceptr at = begin; at < begin + bytes;) {
        CUdeviceptr first = 0;
        std::size_t size = 0;
        if (driver.range_of(&first, &size, at) != CUDA_SUCCESS || first > at || first + size <= at) { return {}; }
        held_allocation memory(first);
        if (memory.get() == 0 || (!pieces.empty() && first != at)) { return {}; }
        pieces.push_back({first, size, std::move(memory)});
        at = first + size;
    }
    return pieces;
}

/// Whether `piece` was made so that it can be opened by another process, through a file.
[[nodiscard]] inline bool has_file(const mapped_piece& piece) noexcept {
    CUmemAllocationProp made{};
    return mapping_driver::get().properties(&made, piece.memory.get()) == CUDA_SUCCESS &&
           (static_cast<unsigned>(made.requestedHandleTypes) &
            static_cast<unsigned>(CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)) != 0;
}

/// An open file that stands for the piece; not open where the driver refuses.
[[nodiscard]] inline net::descriptor file_of(const mapped_piece& piece) noexcept {
    int file = -1;
    if (mapping_driver::get().export_handle(&file, piece.memory.get(), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0) !=
        CUDA_SUCCESS) {
        return {};
    }
    return net::descriptor(file);
}

/// A range of addresses into which pieces of another process are mapped, until it goes.
class imported_range {
  public:
    /// @param bytes of all pieces
    explicit imported_range(std::size_t bytes) noexcept {
        const mapping_driver& driver = mapping_driver::get();
        if (driver.complete() && driver.reserve(&begin_, bytes, 0, 0, 0) == CUDA_SUCCESS) { bytes_ = bytes; }
    }
    imported_range(const imported_range&) = delete;
    imported_range& operator=(const imported_range&) = delete;
    ~imported_range() {
        const mapping_driver& driver = mapping_driver::get();
        if (filled_ > 0) { (void)driver.unmap(begin_, filled_); }
        if (bytes_ > 0) { (void)driver.unreserve(begin_, bytes_); }
    }

    [[nodiscard]] std::byte* begin() const noexcept { return reinterpret_cast<std::byte*>(begin_); }

    /// Maps the next piece; false where the driver refuses.
    [[nodiscard]] bool add(const net::descriptor& file, std::size_t bytes) noexcept {
        const mapping_driver& driver = mapping_driver::get();
        if (bytes > bytes_ - filled_) { return false; }
        CUmemGenericAllocationHandle handle = 0;
        void* const given = reinterpret_cast<void*>(static_cast<std::intptr_t>(file.get()));
        if (driver.import_handle(&handle, given, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) != CUDA_SUCCESS) {
            return false;
        }
        const held_allocation memory(handle, nullptr); // the mapping holds it too
        if (driver.map(begin_ + filled_, bytes, 0, handle, 0) != CUDA_SUCCESS) { return false; }
        filled_ += bytes;
        return true;
    }

    /// Lets kernels on `device` load and store in all of it; false where they cannot, or pieces are missing.
    [[nodiscard]] bool open_to(int device) noexcept {
        CUmemAccessDesc access{};
        access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
        access.location.id = device;
        access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
        return filled_ == bytes_ && filled_ > 0 &&
               mapping_driver::get().set_access(begin_, bytes_, &access, 1) == CUDA_SUCCESS;
    }

  private:
    CUdeviceptr begin_ = 0;
    std::size_t bytes_ = 0; ///< that are reserved
    std::size_t filled_ = 0;
};

} // namespace blink::cuda
