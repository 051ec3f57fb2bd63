// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/copy_choice.hpp>
#include <blink/execute/cuda/host_shares.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>
#include <random>
#include <set>
#include <vector>

using blink::collective;
using blink::cuda::host_shares;
using blink::cuda::shared_call;

namespace {

constexpr std::size_t mib = std::size_t{1} << 20;
constexpr int most_trials = host_shares::samples * (1 + host_shares::steps);

/// Two ways whose rates only the clock knows; the link is slower by `disturbance` while the host's way is used.
struct machine {
    double link_GBps = 390;
    double host_GBps = 50;
    double host_begins_s = 2e-5;
    double disturbance = 0;
    double noise = 0;

    [[nodiscard]] double link_s(const shared_call& c, double share) const {
        return (1 - share) * static_cast<double>(c.crossing) / (link_GBps * 1e9) * (share > 0 ? 1 + disturbance : 1);
    }
    [[nodiscard]] double host_s(const shared_call& c, double share) const {
        return share > 0 ? host_begins_s + share * static_cast<double>(c.crossing) / (host_GBps * 1e9) : 0;
    }
    [[nodiscard]] double call_s(const shared_call& c, double share) const {
        return std::max(link_s(c, share), host_s(c, share));
    }
    [[nodiscard]] double best_s(const shared_call& c, double most) const {
        double best = call_s(c, 0);
        for (double s = 0.0005; s <= most; s += 0.0005) { best = std::min(best, call_s(c, s)); }
        return best;
    }
};

/// Runs calls whose times are known when `ahead` more are enqueued.
class program {
  public:
    program(const machine& on, std::size_t ahead, double tuned, double most, unsigned seed = 1)
        : on_(on), ahead_(ahead), tuned_(tuned), most_(most), dice_(seed) {}

    /// The share of the call.
    double call(const shared_call& c) {
        const host_shares::choice chosen = shares.next(c, tuned_, most_);
        ++calls;
        if (chosen.on_trial) {
            shares.begun(c);
            ++trials;
            tried.insert(chosen.share);
        } else if (!settled(c)) {
            CHECK(chosen.share == tuned_);
        }
        pending_.push_back({c, chosen.on_trial, chosen.share});
        while (pending_.size() > ahead_) {
            const run r = pending_.front();
            pending_.pop_front();
            std::uniform_real_distribution<double> wobble(1 - on_.noise, 1 + on_.noise);
            if (r.on_trial) {
                shares.observe(r.of, on_.link_s(r.of, r.share) * wobble(dice_),
                               on_.host_s(r.of, r.share) * wobble(dice_));
            }
        }
        return chosen.share;
    }

    [[nodiscard]] bool settled(const shared_call& c) const {
        return std::ranges::any_of(shares.all(), [&c](const auto& s) {
            return s.call.kind == c.kind && s.call.crossing == c.crossing && s.call.in_place == c.in_place && s.settled;
        });
    }

    /// Calls until it is settled.
    int settle(const shared_call& c) {
        const int before = calls;
        while (!settled(c) && calls - before < 1000) { call(c); }
        REQUIRE(settled(c));
        return calls - before;
    }

    host_shares shares;
    std::set<double> tried;
    int calls = 0;
    int trials = 0;

  private:
    struct run {
        shared_call of;
        bool on_trial;
        double share;
    };
    machine on_;
    std::size_t ahead_;
    double tuned_, most_;
    std::mt19937 dice_;
    std::deque<run> pending_;
};

const shared_call long_broadcast{collective::broadcast, 0, 1024 * mib, 0};

} // namespace

TEST_CASE("the tuned share stays where it is right, after three calls without the host and three with it") {
    const machine m{.host_begins_s = 0};
    const double right = 50.0 / 440;
    program p(m, 0, right, 2 * right);
    CHECK(p.call(long_broadcast) == 0);
    CHECK(p.shares.all().front().share == right); // of calls that are not on trial
    CHECK(p.shares.all().front().trial == 0);
    CHECK(p.settle(long_broadcast) == 5);
    CHECK(p.trials == 6);
    CHECK(p.call(long_broadcast) == right);
    CHECK(p.shares.all().front().share == right);
}

TEST_CASE("it settles near the best share within a bounded number of trials, however far ahead calls are enqueued") {
    std::mt19937 dice(5);
    std::uniform_real_distribution<double> off(0.6, 1.7);
    for (unsigned i = 0; i < 100; ++i) {
        const machine m{390 * off(dice), 50 * off(dice), 2e-5 * off(dice)};
        for (const std::size_t ahead : {std::size_t{0}, std::size_t{1}, std::size_t{40}}) {
            program p(m, ahead, 0.114, 0.228);
            const int calls = p.settle(long_broadcast);
            CHECK(p.trials <= most_trials);
            CHECK(static_cast<std::size_t>(calls) <= most_trials + 5 * (ahead + 1));
            CHECK(*p.tried.rbegin() <= 0.228);
            const double share = p.call(long_broadcast);
            CHECK(p.shares.all().front().share == share);
            CAPTURE(m.link_GBps);
            CAPTURE(m.host_GBps);
            CHECK(m.call_s(long_broadcast, share) <= 1.03 * m.best_s(long_broadcast, 0.228));
        }
    }
}

TEST_CASE("the host is left out where no share is shorter than none") {
    for (const machine& m : {machine{.disturbance = 0.2}, machine{.host_GBps = 0.5}, machine{.host_begins_s = 1}}) {
        program p(m, 3, 0.114, 0.228);
        p.settle(long_broadcast);
        const double share = p.call(long_broadcast);
        CHECK(m.call_s(long_broadcast, share) <= m.call_s(long_broadcast, 0));
        if (m.host_GBps > 1) { CHECK(share == 0); }
    }
}

TEST_CASE("with noise it is never much slower than without the host") {
    for (unsigned seed = 1; seed <= 100; ++seed) {
        const machine m{.host_GBps = 12.0 * (seed % 5), .disturbance = 0.01 * (seed % 4), .noise = 0.01};
        if (m.host_GBps == 0) { continue; }
        program p(m, 2, 0.06, 0.08, seed);
        const shared_call c{collective::allreduce, 0, 512 * mib, 3};
        p.settle(c);
        CHECK(m.call_s(c, p.call(c)) <= 1.02 * m.call_s(c, 0));
    }
}

TEST_CASE("no share above the largest one is tried, except a tuned one") {
    const machine m{.link_GBps = 100, .host_GBps = 100};
    program below(m, 0, 0.06, 0.08);
    below.settle(long_broadcast);
    CHECK(below.call(long_broadcast) == 0.08);
    CHECK(*below.tried.rbegin() == 0.08);
    program above(m, 0, 0.3, 0.08);
    above.settle(long_broadcast);
    CHECK(above.call(long_broadcast) == 0.3);
}

TEST_CASE("the largest shares are sane") {
    const blink::tuning t{.host_share = 114, .host_share_both = 700, .host_share_all_reduce = 60};
    const auto most = [](collective kind, const blink::tuning& tuned) {
        return blink::cuda::most_host_share(blink::cuda::copy_call_of(kind, 2, 1000, 4), tuned);
    };
    CHECK(most(collective::broadcast, t) == doctest::Approx(0.228));
    CHECK(most(collective::allgather, t) == 1);
    CHECK(most(collective::allreduce, t) == doctest::Approx(0.080));
    CHECK(most(collective::allreduce, {.host_share_all_reduce = 150}) == doctest::Approx(0.150));
}

TEST_CASE("calls that differ learn apart") {
    std::vector<shared_call> calls(5, long_broadcast);
    calls[1].kind = collective::allgather;
    calls[2].root = 1;
    calls[3].crossing += 4;
    calls[4].in_place = 1;
    program p({}, 1, 0.1, 0.2);
    for (const shared_call& c : calls) {
        CHECK(p.call(c) == 0);
        p.settle(c);
    }
    CHECK(p.shares.all().size() == calls.size());
}

TEST_CASE("times that never become known are made up for, and are no times") {
    host_shares shares;
    for (int i = 0; i < 10; ++i) { // more than a share has samples
        CHECK(shares.next(long_broadcast, 0.1, 0.2).on_trial);
        shares.begun(long_broadcast);
        shares.observe(long_broadcast, -1, -1);
    }
    for (int i = 0; i < 3; ++i) {
        const host_shares::choice c = shares.next(long_broadcast, 0.1, 0.2);
        CHECK(c.on_trial);
        CHECK(c.share == 0);
        shares.begun(long_broadcast);
    }
    const host_shares::choice waits = shares.next(long_broadcast, 0.1, 0.2);
    CHECK_FALSE(waits.on_trial);
    CHECK(waits.share == 0.1);
    for (int i = 0; i < 3; ++i) { shares.observe(long_broadcast, 1e-3, 0); }
    shares.observe(long_broadcast, 1e-3, 0); // of no call on trial
    CHECK(shares.next(long_broadcast, 0.1, 0.2).share == 0.1);
    CHECK(shares.next(long_broadcast, 0.1, 0.2).on_trial);
}

TEST_CASE("sizes without end take bounded memory, and keep the tuned share") {
    host_shares shares;
    shared_call c = long_broadcast;
    for (std::size_t i = 0; i < 2 * host_shares::most_calls; ++i, c.crossing += 4) {
        const host_shares::choice chosen = shares.next(c, 0.1, 0.2);
        CHECK(chosen.on_trial == (i < host_shares::most_calls));
        if (!chosen.on_trial) { CHECK(chosen.share == 0.1); }
        shares.begun(c);
        shares.observe(c, 1, 0);
    }
    CHECK(shares.all().size() == host_shares::most_calls);
    CHECK(shares.next(c, 0.1, 0.2).share == 0.1);
}
