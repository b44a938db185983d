// A module of one cache and one attend as the tests of verify's engine vary it.
#ifndef KV_TESTS_REFERENCE_VERIFYSPEC_H
#define KV_TESTS_REFERENCE_VERIFYSPEC_H

#include "tests/unit/reference/Support.h"

#include <string>

namespace kv {

struct Spec {
  int64_t headsQ = 4, heads = 2, dimK = 16, dimV = 8, leastQueries = 1, mostQueries = 5;
  std::string key = "#kv.codec<i8, group = 16, sym, scale = f16>", value = "#kv.codec<u4, group = 8, asym, scale = f32>";
  std::string layout = R"(paged 16, key = "[h, t, d]", value = "[t, h, d]")";
  std::string query = "f32", output = "f32", mask = "causal";
  bool alibi = false;

  std::string text() const {
    auto n = [](int64_t value) { return std::to_string(value); };
    auto tensor = [&](int64_t heads, int64_t dim, const std::string &type) {
      return "tensor<?x" + n(heads) + "x" + n(dim) + "x" + type + ">";
    };
    std::string cache = "!kv.cache<name = \"c\", heads = " + n(heads) + ", keyDim = " + n(dimK) + ", valueDim = " + n(dimV) +
                        ", key = " + key + ", value = " + value + ", layout = #kv.layout<" + layout + ">>";
    std::string q = tensor(headsQ, dimK, query), k = tensor(heads, dimK, query), v = tensor(heads, dimV, query),
                o = tensor(headsQ, dimV, output);
    std::string lse = "tensor<?x" + n(headsQ) + "xf32>", slope = "tensor<" + n(headsQ) + "xf32>";
    std::string score = !alibi ? ""
                               : R"(score { ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
      %m = tensor.extract %slope[%h] : )" +
                                     slope + R"(
      %n = arith.subi %j, %i : i32
      %d = arith.sitofp %n : i32 to f32
      %b = arith.mulf %m, %d : f32
      %y = arith.addf %s, %b : f32
      kv.yield %y : f32 })";
    std::string append = "  kv.append %k, %v to %c : " + k + ", " + v + ", " + cache + "\n";
    std::string attend = "  %o, %l = kv.attend %q on %c scale(0.25) " + maskRegion(mask) + "accuracy(exact) queries(" +
                         n(leastQueries) + ", " + n(mostQueries) + ") " + score + " : " + q + ", " + cache + " -> " + o + ", " +
                         lse + "\n  return %o, %l : " + o + ", " + lse + "\n}\n";
    std::string extra = alibi ? ", %slope: " + slope : "", results = ") -> (" + o + ", " + lse + ") {\n";
    return "func.func @c_append(%c: " + cache + ", %k: " + k + ", %v: " + v + ") {\n" + append + "  return\n}\n" +
           "func.func @c_a(%c: " + cache + ", %q: " + q + extra + results + attend + "func.func @c_append_a(%c: " + cache +
           ", %q: " + q + ", %k: " + k + ", %v: " + v + extra + results + append + attend;
  }
};

} // namespace kv

#endif
