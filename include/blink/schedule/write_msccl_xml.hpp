// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Writes a schedule as an algorithm file of MSCCL, the forks of NCCL and RCCL that run such files.
///
/// A thread block sends to one rank and receives from one, so each rank has, in each lane and phase, a block for each
/// child: going up it combines what the child sends into the own contribution, block after block, and the last one
/// sends on; going down the first one passes on what it receives while the others send it to their child. A block has
/// one step for the chunks of its lane; MSCCL cuts chunks into slices and pipelines these. Nothing is written to the
/// input, and to the output of ranks that end with data alone, so one file serves calls in place and out of place.
///
/// MSCCL picks a file by collective, number of ranks and bytes, and only where the elements are a multiple of
/// `nchunksperloop`. It does not compare the root of a broadcast or reduce: such a file is for that root alone.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/core/xml.hpp>
#include <blink/schedule/export_chunks.hpp>
#include <blink/schedule/program.hpp>
#include <blink/schedule/schedule.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace blink {
namespace detail {

class msccl_writer {
  public:
    msccl_writer(const schedule& s, const export_options& o) : s_(s), o_(o), cut_(cut_for_export(s, o)) {
        gpus_.resize(static_cast<std::size_t>(s.ranks));
        for (std::size_t l = 0; l < s.lanes.size(); ++l) {
            for (const phase ph : {phase::up, phase::down}) { add_phase(l, ph); }
        }
    }

    [[nodiscard]] std::string text() const {
        // MSCCL's reader has room for 255 bytes of a value and does not look; an escaped byte may take six.
        std::string text = "<algo" + pair("name", xml::escaped(o_.name.substr(0, 40))) + pair("proto", "Simple") +
                           pair("nchannels", std::max<std::size_t>(1, busy_.size())) +
                           pair("nchunksperloop", cut_.larger(s_)) + pair("ngpus", s_.ranks) + pair("coll", name()) +
                           pair("inplace", 1) + pair("outofplace", 1) + pair("minBytes", o_.min_bytes) +
                           pair("maxBytes", o_.max_bytes) + ">\n";
        for (std::size_t g = 0; g < gpus_.size(); ++g) {
            text += "  <gpu" + pair("id", g) + pair("i_chunks", cut_.of_input(s_)) +
                    pair("o_chunks", cut_.of_output(s_)) + pair("s_chunks", gpus_[g].scratch) + ">\n";
            for (std::size_t b = 0; b < gpus_[g].blocks.size(); ++b) { text += block_text(gpus_[g].blocks[b], b); }
            text += "  </gpu>\n";
        }
        return text + "</algo>\n";
    }

  private:
    static constexpr std::size_t most_channels = 32;
    static constexpr std::size_t most_scratch = 32767;

    struct block {
        int send = no_rank;
        int receive = no_rank;
        std::size_t channel = 0;
        const char* type = "";
        export_place from{};
        export_place to{};
        int count = 0;
        int after = -1; ///< block of this rank that has to be done first
        bool awaited = false;
    };
    struct gpu {
        std::vector<block> blocks;
        int scratch = 0;
    };

    template <class T>
    [[nodiscard]] static std::string pair(const char* key, const T& value) {
        std::string text;
        if constexpr (std::is_arithmetic_v<T>) {
            text = std::to_string(value);
        } else {
            text = value;
        }
        return std::string(" ") + key + "=\"" + text + "\"";
    }

    [[nodiscard]] const char* name() const {
        return s_.kind == collective::reduce_scatter ? "reducescatter"
                                                     : collective_names[static_cast<std::size_t>(s_.kind)].data();
    }

    /// Where a rank may keep a partial result: in its output where it gets the result later, or keeps this one.
    [[nodiscard]] export_place partial(std::size_t l, std::size_t rank) {
        const bool ends_here = static_cast<int>(rank) == s_.lanes[l].root;
        if (s_.kind == collective::allreduce || ends_here) { return cut_.output(s_, l); }
        gpu& g = gpus_[rank];
        const export_place p{'s', g.scratch};
        g.scratch += cut_.count[l];
        if (g.scratch > static_cast<int>(most_scratch)) {
            refuse("rank " + std::to_string(rank) + " needs too much scratch space");
        }
        return p;
    }

    [[noreturn]] void refuse(const std::string& what) const {
        throw usage_error("export of " + std::string(to_string(s_.kind)) + " for MSCCL: " + what);
    }

    /// The lowest channel on which no connection of this phase of the lane is busy: MSCCL allows one block for each
    /// connection of a channel.
    [[nodiscard]] std::size_t channel_for(std::size_t l, phase ph) {
        std::set<std::pair<int, int>> wanted;
        for (std::size_t r = 0; r < s_.lanes[l].roles.size(); ++r) {
            const role& x = s_.lanes[l].roles[r];
            const auto rank = static_cast<int>(r);
            if (ph == phase::up && x.reduce_to != no_rank) { wanted.emplace(rank, x.reduce_to); }
            if (ph == phase::down) {
                for (const int child : x.broadcast_to) { wanted.emplace(rank, child); }
            }
        }
        const auto clashes = [&](const std::set<std::pair<int, int>>& taken) {
            return std::ranges::any_of(wanted, [&](const auto& c) { return taken.contains(c); });
        };
        std::size_t channel = 0;
        while (channel < busy_.size() && clashes(busy_[channel])) { ++channel; }
        if (channel == most_channels) { refuse("its trees need more than 32 channels; plan with fewer trees"); }
        if (channel == busy_.size()) { busy_.emplace_back(); }
        busy_[channel].merge(wanted);
        return channel;
    }

    void add_phase(std::size_t l, phase ph) {
        if (ph == phase::up ? !reduces(s_.kind) : !hands_on(s_.kind)) { return; }
        const std::size_t channel = channel_for(l, ph);
        for (std::size_t r = 0; r < s_.lanes[l].roles.size(); ++r) {
            if (ph == phase::up) {
                add_up(l, r, channel);
            } else {
                add_down(l, r, channel);
            }
        }
    }

    /// Adds a block and makes `after` known to be awaited. Gives its number.
    int add(std::size_t rank, const block& b) {
        std::vector<block>& blocks = gpus_[rank].blocks;
        if (b.after >= 0) { blocks[static_cast<std::size_t>(b.after)].awaited = true; }
        blocks.push_back(b);
        return static_cast<int>(blocks.size()) - 1;
    }

    void add_up(std::size_t l, std::size_t rank, std::size_t channel) {
        const role& r = s_.lanes[l].roles[rank];
        const int count = cut_.count[l];
        const bool sends = r.reduce_to != no_rank;
        if (r.reduce_from.empty()) {
            if (sends) { add(rank, {r.reduce_to, no_rank, channel, "s", cut_.input(s_, l), cut_.input(s_, l), count}); }
            return;
        }
        const bool keeps = !sends || r.reduce_from.size() > 1;
        const export_place own = cut_.input(s_, l);
        const export_place sum = keeps ? partial(l, rank) : own;
        int last = -1;
        for (std::size_t c = 0; c < r.reduce_from.size(); ++c) {
            const bool passes = sends && c + 1 == r.reduce_from.size();
            const export_place from = c == 0 ? own : sum;
            last = add(rank, {passes ? r.reduce_to : no_rank, r.reduce_from[c], channel, passes ? "rrs" : "rrc", from,
                              passes ? from : sum, count, last});
        }
        if (!sends) { finished_[{l, rank}] = last; }
    }

    void add_down(std::size_t l, std::size_t rank, std::size_t channel) {
        const role& r = s_.lanes[l].roles[rank];
        const int count = cut_.count[l];
        std::size_t next = 0;
        int source = -1;
        export_place from = cut_.output(s_, l);
        if (r.broadcast_from != no_rank) {
            const bool passes = !r.broadcast_to.empty();
            source = add(rank, {passes ? r.broadcast_to[next++] : no_rank, r.broadcast_from, channel,
                                passes ? "rcs" : "r", from, from, count});
        } else if (reduces(s_.kind)) {
            const auto done = finished_.find({l, rank});
            source = done == finished_.end() ? -1 : done->second;
        } else {
            from =
                cut_.input(s_, l); // the source of a broadcast or allgather sends its input, and copies it for itself
            add(rank, {no_rank, no_rank, channel, "cpy", from, cut_.output(s_, l), count});
        }
        for (; next < r.broadcast_to.size(); ++next) {
            add(rank, {r.broadcast_to[next], no_rank, channel, "s", from, from, count, source});
        }
    }

    [[nodiscard]] static std::string block_text(const block& b, std::size_t id) {
        return "    <tb" + pair("id", id) + pair("send", b.send) + pair("recv", b.receive) + pair("chan", b.channel) +
               ">\n      <step" + pair("s", 0) + pair("type", b.type) + pair("srcbuf", std::string(1, b.from.buffer)) +
               pair("srcoff", b.from.first) + pair("dstbuf", std::string(1, b.to.buffer)) + pair("dstoff", b.to.first) +
               pair("cnt", b.count) + pair("depid", b.after) + pair("deps", b.after >= 0 ? 0 : -1) +
               pair("hasdep", b.awaited ? 1 : 0) + "/>\n    </tb>\n";
    }

    const schedule& s_;
    const export_options& o_;
    export_chunks cut_;
    std::vector<gpu> gpus_;
    std::vector<std::set<std::pair<int, int>>> busy_;             ///< by channel: connections in use
    std::map<std::pair<std::size_t, std::size_t>, int> finished_; ///< by lane and rank: block that completes the result
};

} // namespace detail

/// The text of an algorithm file for MSCCL_XML_FILES (microsoft/msccl) or MSCCL_ALGO_DIR (Azure/msccl-executor-nccl,
/// RCCL). Ranks are those of the schedule.
/// @throw usage_error for fewer than two ranks, or more trees than MSCCL has channels or the options have chunks
[[nodiscard]] inline std::string write_msccl_xml(const schedule& s, const export_options& o = {}) {
    return detail::msccl_writer(s, o).text();
}

} // namespace blink
