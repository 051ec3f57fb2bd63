// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/xml.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace blink;

namespace {

std::string failure(const std::string& text) {
    try {
        (void)xml::parse(text);
        return {};
    } catch (const xml::format_error& e) { return e.what(); }
}

std::string repeated(const std::string& s, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) { out += s; }
    return out;
}

} // namespace

TEST_CASE("elements keep their order, their attributes and their lines") {
    const xml::element e = xml::parse("<?xml version=\"1.0\"?>\n<!-- a <comment> -->\n<a x='1'\n   y = \"two\">\n"
                                      "  <b/><!-- -- --><c z=\"\"></c >\n</a>\n<!-- end -->\n");
    CHECK(e.name == "a");
    CHECK(e.line == 3);
    REQUIRE(e.attributes.size() == 2);
    CHECK(e.at("x").value == "1");
    CHECK(e.at("y").value == "two");
    CHECK(e.at("y").line == 4);
    REQUIRE(e.children.size() == 2);
    CHECK(e.children[0].name == "b");
    CHECK(e.children[1].line == 5);
    CHECK(e.children[1].at("z").value.empty());
    CHECK(e.find("z") == nullptr);
}

TEST_CASE("entities stand for characters, and what was escaped is read back") {
    CHECK(xml::parse("<a x=\"&lt;&gt;&amp;&quot;&apos;&#65;&#x42;\"/>").at("x").value == "<>&\"'AB");
    const std::string text = "a<b>&\"c\" 'd'";
    CHECK(xml::parse("<a x=\"" + xml::escaped(text) + "\"/>").at("x").value == text);
}

TEST_CASE("a mark of the byte order before the text does no harm") {
    CHECK(xml::parse("\xEF\xBB\xBF<a/>").name == "a");
}

TEST_CASE("what is wrong is named with its line") {
    CHECK(failure("") == "line 1: found the end of the text, expected an element");
    CHECK(failure("<a>\n<b>\n</a>") == "line 3: found </a>, expected </b>");
    CHECK(failure("<a>\n") == "line 2: found the end of the text, expected an element or the end of one");
    CHECK(failure("<a>\nwords</a>") == "line 2: found 'w', expected an element or the end of one");
    CHECK(failure("<a x=1/>") == "line 1: found '1', expected a value in quotes");
    CHECK(failure("<a x/>") == "line 1: found '/', expected '=' after x");
    CHECK(failure("<a x=\"1\"y=\"2\"/>") == "line 1: found 'y', expected a blank before an attribute");
    CHECK(failure("<a\nx=\"1\" x=\"2\"/>") == "line 2: found x twice in <a>, expected it once");
    CHECK(failure("<a x=\"1") == "line 1: found the end of the text, expected the quote that ends a value");
    CHECK(failure("<a x=\"<\"/>") == "line 1: found '<', expected no '<' within quotes");
    CHECK(failure("<a x=\"&nbsp;\"/>") == "line 1: found '&', expected an entity such as &lt; or &#60;");
    CHECK(failure("<a x=\"&#7;\"/>") == "line 1: found '&', expected an entity of a printable ASCII character");
    CHECK(failure("<a x=\"&#99999999999;\"/>") ==
          "line 1: found '&', expected an entity of a printable ASCII character");
    CHECK(failure("<a x=\"\x01\"/>") == "line 1: found byte 1, expected no control character within quotes");
    CHECK(failure("<!-- a\n") == "line 1: found a comment without an end, expected -->");
    CHECK(failure("<!DOCTYPE a><a/>") == "line 1: found '!', expected the name of an element");
    CHECK(failure("<a/><b/>") == "line 1: found '<', expected the end of the text");
    CHECK(failure("<a>") == "line 1: found the end of the text, expected an element or the end of one");
}

TEST_CASE("what would take too much room is refused") {
    CHECK(failure(repeated("<a>", 64) + repeated("</a>", 64)).empty());
    CHECK(failure(repeated("<a>", 65)) == "line 1: found '<', expected at most 64 levels of elements");
    CHECK(failure(repeated("<a>", 1'000'000)) == "line 1: found '<', expected at most 64 levels of elements");
    CHECK(failure("<r>" + repeated("<a/>", 65535) + "</r>").empty());
    CHECK(failure("<r>" + repeated("<a/>", 65536) + "</r>") == "line 1: found '<', expected at most 65536 elements");
    std::string many = "<a";
    for (int i = 0; i < 65; ++i) { many += " x" + std::to_string(i) + "=\"\""; }
    CHECK(failure(many + "/>") == "line 1: found 'x', expected at most 64 attributes in <a>");
}

TEST_CASE("a number is all of its attribute and within its bounds") {
    const auto read = [](const std::string& text) {
        const xml::element e = xml::parse("<a\nn=\"" + text + "\"/>");
        return xml::as_int(e.at("n"), -1, 9);
    };
    CHECK(read("-1") == -1);
    CHECK(read("9") == 9);
    for (const char* bad : {"", "10", "-2", "1x", " 1", "0x1", "99999999999"}) {
        CAPTURE(bad);
        CHECK_THROWS_WITH_AS(
            (void)read(bad),
            ("line 2: found n=\"" + std::string(bad) + "\", expected a whole number from -1 to 9").c_str(),
            xml::format_error);
    }
    CHECK_THROWS_WITH_AS((void)xml::parse("<a/>").at("n"), "line 1: found <a> without n, expected one with it",
                         xml::format_error);
}
