// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/json.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

namespace json = blink::json;

namespace {

/// The error that reading `text` ends in, as "line: message"; empty where it is read.
std::string failure(const std::string& text) {
    try {
        (void)json::parse(text);
        return {};
    } catch (const json::format_error& e) { return std::to_string(e.line()) + ": " + e.found_and_expected(); }
}

} // namespace

TEST_CASE("a document is read and written back unchanged") {
    const std::string text = R"({"a":[1,-2.5,1e+300,true,false,null],"b":{"c":"d\n\"\\"},"e":[],"f":{}})";
    CHECK(json::parse(text).dump() == text);
}

TEST_CASE("white space between tokens does not matter") {
    CHECK(json::parse(" \t\r\n[ 1 ,\n2 ] \n").dump() == "[1,2]");
}

TEST_CASE("indented text reads back to the same value") {
    const json::value v = json::parse(R"({"a":[{"b":1},{"b":[1,2,3]}]})");
    const std::string pretty = v.dump(2);
    CHECK(pretty.find("[1, 2, 3]") != std::string::npos);
    CHECK(json::parse(pretty).dump() == v.dump());
}

TEST_CASE("every value knows its line") {
    const json::value v = json::parse("{\n\"a\":\n[1,\n2]}");
    CHECK(v.line() == 1);
    CHECK(v.at("a").line() == 3);
    CHECK(v.at("a").as_array()[1].line() == 4);
}

TEST_CASE("numbers follow the grammar of JSON") {
    for (const char* good : {"0", "-0", "10", "0.5", "-1.25e3", "1E-2", "1e+2"}) { CHECK(failure(good).empty()); }
    for (const char* bad : {"-", "01", "1.", ".5", "+1", "1e", "1e+", "-inf", "inf", "nan", "-nan", "0x10", "1e999"}) {
        CAPTURE(bad);
        CHECK_FALSE(failure(bad).empty());
    }
}

TEST_CASE("escapes become UTF-8") {
    CHECK(json::parse(R"("\u0041\u00e9\u20AC\/\b\f\t\r")").as_string() == "A\xC3\xA9\xE2\x82\xAC/\b\f\t\r");
    for (const char* bad : {R"("\x")", R"("\u12")", R"("\u12G4")", "\"\\", "\"a", "\"a\nb\""}) {
        CAPTURE(bad);
        CHECK_FALSE(failure(bad).empty());
    }
}

TEST_CASE("control characters are escaped when written") {
    CHECK(json::value(std::string("a\x01\n")).dump() == R"("a\u0001\n")");
}

TEST_CASE("what is not finite is written as null") {
    CHECK(json::value(std::numeric_limits<double>::infinity()).dump() == "null");
    CHECK(json::value(std::nan("")).dump() == "null");
}

TEST_CASE("errors name the line and what was expected") {
    CHECK(failure("{\n\"a\": 1\n\"b\": 2}") == "3: found '\"', expected '}' or ',' in an object");
    CHECK(failure("[1,") == "1: found the end of the text, expected a JSON value");
    CHECK(failure("[1] x") == "1: found 'x', expected the end of the text");
    CHECK(failure("") == "1: found the end of the text, expected a JSON value");
    CHECK(failure("{a:1}") == "1: found 'a', expected a member name in quotes");
}

TEST_CASE("nesting is bounded") {
    CHECK(failure(std::string(60, '[') + std::string(60, ']')).empty());
    CHECK(failure(std::string(100000, '[')).find("64 levels") != std::string::npos);
}

TEST_CASE("accessors refuse values of another type, by line") {
    const json::value v = json::parse("{\"a\": 1,\n\"b\": \"x\",\n\"c\": 1.5}");
    CHECK_THROWS_WITH_AS((void)v.at("b").as_number(), "line 2: found a string, expected a number", json::format_error);
    CHECK_THROWS_WITH_AS((void)v.at("a").as_array(), "line 1: found a number, expected an array", json::format_error);
    CHECK_THROWS_WITH_AS((void)v.at("c").as_int(0, 9), "line 3: found 1.5, expected a whole number from 0 to 9",
                         json::format_error);
    CHECK_THROWS_AS((void)v.at("d"), json::format_error);
    CHECK(v.find("d") == nullptr);
    CHECK(v.at("a").as_int(0, 9) == 1);
}

TEST_CASE("the last of equal members counts") { CHECK(json::parse(R"({"a":1,"a":2})").at("a").as_number() == 2); }
