// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The threads of a worker pool, and how they are woken.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/host/worker_pool.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace blink::host {

class worker_pool::crew {
  public:
    explicit crew(int size) : size_(size), scratch_(static_cast<std::size_t>(size)) {}
    crew(const crew&) = delete;
    crew& operator=(const crew&) = delete;
    ~crew() {
        {
            const std::lock_guard lock(mutex_);
            ended_ = true;
        }
        wake_.notify_all();
        for (std::thread& t : threads_) { t.join(); }
    }

    [[nodiscard]] int size() const noexcept { return size_; }

    void run(int workers, void (*call)(const void*, int), const void* task) {
        workers = std::clamp(workers, 1, size_);
        if (workers > 1) {
            start(workers - 1);
            {
                const std::lock_guard lock(mutex_);
                call_ = call;
                task_ = task;
                wanted_ = workers;
                running_ = workers - 1;
                ++round_;
            }
            wake_.notify_all();
        }
        call(task, 0);
        if (workers > 1) {
            std::unique_lock lock(mutex_);
            done_.wait(lock, [this] { return running_ == 0; });
        }
    }

    [[nodiscard]] std::byte* scratch(int worker, std::size_t bytes) {
        block& b = scratch_[static_cast<std::size_t>(worker)];
        if (b.bytes < bytes) {
            b = {};
            b.memory.reset(static_cast<std::byte*>(::operator new(bytes, alignment)));
            b.bytes = bytes;
        }
        return b.memory.get();
    }

  private:
    static constexpr std::align_val_t alignment{256};
    struct releaser {
        void operator()(std::byte* p) const noexcept { ::operator delete(p, alignment); }
    };
    struct block {
        std::unique_ptr<std::byte, releaser> memory;
        std::size_t bytes = 0;
    };

    void start(int threads) {
        while (static_cast<int>(threads_.size()) < threads) {
            const int worker = static_cast<int>(threads_.size()) + 1;
            threads_.emplace_back([this, worker, seen = round_] { serve(worker, seen); });
        }
    }

    void serve(int worker, unsigned long seen) {
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, [&] { return ended_ || round_ != seen; });
            if (ended_) { return; }
            seen = round_;
            if (worker >= wanted_) { continue; }
            const auto call = call_;
            const void* const task = task_;
            lock.unlock();
            call(task, worker);
            lock.lock();
            if (--running_ == 0) { done_.notify_one(); }
        }
    }

    int size_;
    std::vector<block> scratch_;
    std::vector<std::thread> threads_;
    std::mutex mutex_;
    std::condition_variable wake_, done_;
    void (*call_)(const void*, int) = nullptr;
    const void* task_ = nullptr;
    int wanted_ = 0;
    int running_ = 0;
    unsigned long round_ = 0;
    bool ended_ = false;
};

BLINK_INLINE worker_pool::worker_pool(int threads) {
    if (threads < 0) { throw usage_error("worker_pool: " + std::to_string(threads) + " threads"); }
    crew_ = std::make_unique<crew>(threads > 0 ? threads
                                               : std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
}

BLINK_INLINE worker_pool::~worker_pool() = default;

BLINK_INLINE int worker_pool::size() const noexcept { return crew_->size(); }

BLINK_INLINE std::byte* worker_pool::scratch(int worker, std::size_t bytes) { return crew_->scratch(worker, bytes); }

BLINK_INLINE void worker_pool::run(int workers, void (*call)(const void*, int), const void* task) {
    crew_->run(workers, call, task);
}

} // namespace blink::host
