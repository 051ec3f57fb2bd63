// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/xml.hpp>
#include <blink/schedule/write_msccl_xml.hpp>

#include <doctest/doctest.h>

#include <string>

#include "made_schedules.hpp"

using namespace blink;

namespace {

/// 0 is the root of a chain 0 - 1 - 2.
schedule chain(collective kind) {
    packing p;
    p.kind = kind;
    p.ranks = 3;
    p.GBps = 1;
    p.trees.push_back({0, 1, {{0, 1, -1, -1}, {1, 2, -1, -1}}});
    return make_schedule(p);
}

} // namespace

TEST_CASE("a broadcast along a chain is one block a rank, and a copy at the root") {
    const std::string step = R"(srcoff="0" dstbuf="o" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>)";
    const std::string expected =
        R"(<algo name="a&amp;b" proto="Simple" nchannels="1" nchunksperloop="1" ngpus="3" coll="broadcast" inplace="1" outofplace="1" minBytes="4096" maxBytes="8192">
  <gpu id="0" i_chunks="1" o_chunks="1" s_chunks="0">
    <tb id="0" send="-1" recv="-1" chan="0">
      <step s="0" type="cpy" srcbuf="i" )" +
        step + R"(
    </tb>
    <tb id="1" send="1" recv="-1" chan="0">
      <step s="0" type="s" srcbuf="i" srcoff="0" dstbuf="i" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
    </tb>
  </gpu>
  <gpu id="1" i_chunks="1" o_chunks="1" s_chunks="0">
    <tb id="0" send="2" recv="0" chan="0">
      <step s="0" type="rcs" srcbuf="o" )" +
        step + R"(
    </tb>
  </gpu>
  <gpu id="2" i_chunks="1" o_chunks="1" s_chunks="0">
    <tb id="0" send="-1" recv="1" chan="0">
      <step s="0" type="r" srcbuf="o" )" +
        step + R"(
    </tb>
  </gpu>
</algo>
)";
    CHECK(write_msccl_xml(chain(collective::broadcast), {.name = "a&b", .min_bytes = 4096, .max_bytes = 8192}) ==
          expected);
}

TEST_CASE("both phases of a tree share a channel, since they use each connection in different directions") {
    CHECK(xml::parse(write_msccl_xml(chain(collective::allreduce))).at("nchannels").value == "1");
    CHECK(xml::parse(write_msccl_xml(made::random_trees(collective::allreduce, 2, 3, 1))).at("nchannels").value == "3");
}

TEST_CASE("sharded collectives name the chunks of all shards") {
    const xml::element gather = xml::parse(write_msccl_xml(made::random_forest(collective::allgather, 3, 1, 1)));
    CHECK(gather.at("nchunksperloop").value == "3");
    CHECK(gather.children[0].at("i_chunks").value == "1");
    CHECK(gather.children[0].at("o_chunks").value == "3");
    const xml::element scatter = xml::parse(write_msccl_xml(made::random_forest(collective::reduce_scatter, 3, 1, 1)));
    CHECK(scatter.at("coll").value == "reducescatter");
    CHECK(scatter.children[0].at("i_chunks").value == "3");
    CHECK(scatter.children[0].at("o_chunks").value == "1");
}

TEST_CASE("a long name is cut") {
    const std::string text = write_msccl_xml(chain(collective::reduce), {.name = std::string(300, 'x')});
    CHECK(xml::parse(text).at("name").value == std::string(40, 'x'));
}

TEST_CASE("more trees on a connection than MSCCL has channels are refused") {
    CHECK_THROWS_WITH_AS((void)write_msccl_xml(made::random_trees(collective::allreduce, 2, 33, 1)),
                         "export of allreduce for MSCCL: its trees need more than 32 channels; plan with fewer trees",
                         usage_error);
}
