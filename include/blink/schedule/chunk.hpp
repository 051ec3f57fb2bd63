// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Chunk policies, and a box in which an options structure keeps any of them.
#pragma once

#include <blink/core/error.hpp>
#include <blink/schedule/chunk_policy.hpp>
#include <blink/schedule/miad.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

namespace blink {

/// Any chunk policy, or none: what an options structure holds.
///
/// A policy given by value is copied, and copies of the box share that copy. To watch a policy learn, give a
/// `std::shared_ptr` to it, or a `std::reference_wrapper` of one that outlives the box.
class chunk_choice;

namespace detail {

template <class P>
concept boxed_chunk_policy = !std::same_as<P, chunk_choice> && chunk_policy<P>;

} // namespace detail

class chunk_choice {
  public:
    /// Leaves the choice to the executor; `chunk_bytes` then answers as `automatic_chunk`.
    chunk_choice() = default;

    template <detail::boxed_chunk_policy P>
    chunk_choice(P policy) // NOLINT(google-explicit-constructor): so that `.chunk = fixed_chunk{64_KiB}` works
        : policy_(std::make_shared<model<P>>(std::make_shared<P>(std::move(policy)))) {}

    /// @throw usage_error for a null pointer
    template <detail::boxed_chunk_policy P>
    chunk_choice(std::shared_ptr<P> policy) // NOLINT(google-explicit-constructor)
        : policy_(std::make_shared<model<P>>(std::move(policy))) {}

    template <detail::boxed_chunk_policy P>
    chunk_choice(std::reference_wrapper<P> policy) // NOLINT(google-explicit-constructor)
        : policy_(std::make_shared<model<P>>(std::shared_ptr<P>(&policy.get(), [](P*) {}))) {}

    [[nodiscard]] bool is_automatic() const noexcept { return policy_ == nullptr; }
    /// False where `observe` changes nothing.
    [[nodiscard]] bool learns() const { return policy_ && policy_->learns(); }
    /// What the policy searches by, where that is a `miad_search`, which others may carry out too; else null.
    [[nodiscard]] const miad_options* search_options() const { return policy_ ? policy_->search_options() : nullptr; }

    [[nodiscard]] std::size_t chunk_bytes(std::size_t lane_bytes) const {
        return policy_ ? policy_->chunk_bytes(lane_bytes) : automatic_chunk{}.chunk_bytes(lane_bytes);
    }

    void observe(std::size_t bytes, double seconds) {
        if (policy_) { policy_->observe(bytes, seconds); }
    }

  private:
    struct interface {
        interface() = default;
        interface(const interface&) = delete;
        interface& operator=(const interface&) = delete;
        virtual ~interface() = default;
        [[nodiscard]] virtual std::size_t chunk_bytes(std::size_t lane_bytes) const = 0;
        virtual void observe(std::size_t bytes, double seconds) = 0;
        [[nodiscard]] virtual bool learns() const = 0;
        [[nodiscard]] virtual const miad_options* search_options() const = 0;
    };

    template <class P>
    struct model final : interface {
        explicit model(std::shared_ptr<P> p) : policy(std::move(p)) {
            if (!policy) { throw usage_error("chunk_choice: a null pointer is no chunk policy"); }
        }
        [[nodiscard]] std::size_t chunk_bytes(std::size_t lane_bytes) const override {
            return std::as_const(*policy).chunk_bytes(lane_bytes);
        }
        void observe(std::size_t bytes, double seconds) override { policy->observe(bytes, seconds); }
        [[nodiscard]] bool learns() const override { return learns_from_times<P>; }
        [[nodiscard]] const miad_options* search_options() const override {
            if constexpr (requires(const P& p) {
                              { p.search_options() } -> std::same_as<const miad_options&>;
                          }) {
                return &policy->search_options();
            } else {
                return nullptr;
            }
        }
        std::shared_ptr<P> policy;
    };

    std::shared_ptr<interface> policy_;
};

} // namespace blink
