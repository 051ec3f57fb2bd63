// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One buffer a rank, wherever the ranks of a group keep their data.
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/operators.hpp>

#include <concepts>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace blink {

/// Memory that the ranks of a group work on. A group on GPUs derives its own from this.
class rank_memory {
  public:
    rank_memory() = default;
    rank_memory(const rank_memory&) = delete;
    rank_memory& operator=(const rank_memory&) = delete;
    virtual ~rank_memory() = default;

    /// Memory of `rank`, all bits zero, aligned for any element.
    virtual void* allocate(int rank, std::size_t bytes) = 0;
    virtual void release(int rank, void* memory, std::size_t bytes) noexcept = 0;
    /// Copies from the caller's memory to that of `rank`, after what the group was told to do before.
    virtual void write(int rank, void* to, const void* from, std::size_t bytes) = 0;
    /// Copies from the memory of `rank` to the caller's, after what the group was told to do before.
    virtual void read(int rank, void* to, const void* from, std::size_t bytes) = 0;
};

/// Plain memory of this process.
class host_memory final : public rank_memory {
  public:
    void* allocate(int /*rank*/, std::size_t bytes) override {
        return std::memset(::operator new(bytes, alignment), 0, bytes);
    }
    void release(int /*rank*/, void* memory, std::size_t /*bytes*/) noexcept override {
        ::operator delete(memory, alignment);
    }
    void write(int /*rank*/, void* to, const void* from, std::size_t bytes) override { copy(to, from, bytes); }
    void read(int /*rank*/, void* to, const void* from, std::size_t bytes) override { copy(to, from, bytes); }

  private:
    static constexpr std::align_val_t alignment{256};

    static void copy(void* to, const void* from, std::size_t bytes) noexcept {
        if (bytes > 0) { std::memcpy(to, from, bytes); } // an empty vector may point nowhere
    }
};

/// Owner of one buffer of `count()` elements for every rank; made by `make_buffers<T>(count)` of a group, zeroed.
///
/// `buffers[r]` is the address that rank r works on, which the caller may not be able to dereference; `assign`,
/// `fill` and `read` reach the elements everywhere. The buffers may outlive their group.
template <element T>
class rank_buffers {
  public:
    using value_type = T;

    rank_buffers(std::shared_ptr<rank_memory> memory, int ranks, std::size_t count)
        : memory_(std::move(memory)), count_(count) {
        buffers_.reserve(static_cast<std::size_t>(ranks));
        for (int r = 0; r < ranks; ++r) {
            T* const buffer = static_cast<T*>(memory_->allocate(r, bytes()));
            buffers_.push_back(block(buffer, releaser{memory_, r, bytes()}));
        }
    }

    rank_buffers(const rank_buffers&) = delete; // gigabytes are not copied by accident
    rank_buffers& operator=(const rank_buffers&) = delete;
    rank_buffers(rank_buffers&&) noexcept = default;
    rank_buffers& operator=(rank_buffers&&) noexcept = default;
    ~rank_buffers() = default;

    [[nodiscard]] int size() const noexcept { return static_cast<int>(buffers_.size()); }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return count_ * sizeof(T); }

    /// Address of the buffer of rank r.
    /// @throw usage_error for an unknown rank
    [[nodiscard]] T* operator[](int r) const { return checked(r).get(); }

    /// Copies `values` into the buffer of rank r.
    /// @throw usage_error for an unknown rank, or another number of elements than `count()`
    void assign(int r, std::span<const T> values) {
        if (values.size() != count_) {
            throw usage_error("rank_buffers::assign: " + std::to_string(values.size()) + " elements for a buffer of " +
                              std::to_string(count_));
        }
        memory_->write(r, checked(r).get(), values.data(), bytes());
    }

    /// Sets every element of rank r to `value`.
    void fill(int r, const T& value) {
        const std::vector<T> values(count_, value);
        assign(r, values);
    }

    /// Sets element i of rank r to `make(i)`.
    template <std::invocable<std::size_t> Make>
    void fill(int r, Make make) {
        std::vector<T> values;
        values.reserve(count_);
        for (std::size_t i = 0; i < count_; ++i) { values.push_back(static_cast<T>(make(i))); }
        assign(r, values);
    }

    /// The elements of rank r.
    /// @throw usage_error for an unknown rank
    [[nodiscard]] std::vector<T> read(int r) const {
        std::vector<T> values(count_);
        memory_->read(r, values.data(), checked(r).get(), bytes());
        return values;
    }

  private:
    struct releaser {
        std::shared_ptr<rank_memory> memory;
        int rank = 0;
        std::size_t bytes = 0;
        void operator()(T* p) const noexcept { memory->release(rank, p, bytes); }
    };
    using block = std::unique_ptr<T, releaser>;

    const block& checked(int r) const {
        if (r < 0 || r >= size()) {
            throw usage_error("rank_buffers: rank " + std::to_string(r) + " is none of 0.." +
                              std::to_string(size() - 1));
        }
        return buffers_[static_cast<std::size_t>(r)];
    }

    std::shared_ptr<rank_memory> memory_;
    std::size_t count_ = 0;
    std::vector<block> buffers_;
};

} // namespace blink
