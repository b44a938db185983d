// Harness.cpp: see Harness.h.
#include "Harness.h"

#include <bit>
#include <cstring>
#include <fmt/format.h>

namespace kv::ptx::test {

std::string moduleText(const std::string &body) { return ".version 8.4\n.target sm_90\n.address_size 64\n" + body; }

std::unique_ptr<Module> parsed(const std::string &text) {
  ParseResult result = parseModule(text);
  EXPECT_TRUE(result.module) << result.error << "\n" << text;
  return result.module ? std::move(result.module) : std::make_unique<Module>();
}

std::string parseError(const std::string &text) {
  const ParseResult result = parseModule(text);
  EXPECT_FALSE(result.module) << text;
  return result.error;
}

std::vector<uint64_t> evaluate(const std::string &op, unsigned bits, const std::vector<Source> &sources, const std::string &tail) {
  auto stored = [](unsigned size) { return size == 1 ? 32 : size; };
  std::string text = ".visible .entry f(.param .u64 out";
  for (size_t i = 0; i < sources.size(); ++i)
    text += fmt::format(", .param .u64 in{}", i);
  text += fmt::format(") {{\n.reg .b32 %lane, %t;\n.reg .b64 %at, %o;\n.reg .pred %p;\n.reg {} %d;\n",
                      bits == 1 ? ".pred" : fmt::format(".b{}", bits));
  text += "mov.u32 %lane, %tid.x;\n";
  std::string list;
  for (size_t i = 0; i < sources.size(); ++i) {
    const unsigned size = stored(sources[i].bits);
    text += fmt::format(
        ".reg .b{0} %s{1};\nld.param.u64 %at, [in{1}];\nmad.wide.u32 %at, %lane, {2}, %at;\nld.global.b{0} %s{1}, [%at];\n", size,
        i, size / 8);
    if (sources[i].bits == 1) {
      text += fmt::format(".reg .pred %q{0};\nsetp.ne.b32 %q{0}, %s{0}, 0;\n", i);
      list += fmt::format(", %q{}", i);
    } else {
      list += fmt::format(", %s{}", i);
    }
  }
  text += fmt::format("{} %d{}{};\n", op, list, tail);
  const unsigned size = stored(bits);
  text += fmt::format("ld.param.u64 %o, [out];\nmad.wide.u32 %o, %lane, {}, %o;\n", size / 8);
  if (bits == 1)
    text += "selp.b32 %t, 1, 0, %d;\nst.global.b32 [%o], %t;\n";
  else
    text += fmt::format("st.global.b{} [%o], %d;\n", size);
  Scene scene(text + "ret;\n}\n");
  std::vector<uint64_t> result(warpSize);
  const uint64_t out = scene.uninitialised(warpSize * size / 8);
  scene.pass(out);
  for (const Source &source : sources) {
    std::vector<uint8_t> bytes;
    for (unsigned lane = 0; lane < warpSize; ++lane) {
      const uint64_t value = source.lanes[lane % source.lanes.size()];
      bytes.insert(bytes.end(), reinterpret_cast<const uint8_t *>(&value),
                   reinterpret_cast<const uint8_t *>(&value) + stored(source.bits) / 8);
    }
    scene.pass(scene.buffer(bytes));
  }
  EXPECT_EQ(scene.run({}, {warpSize}), "") << text;
  const auto bytes = scene.read<uint8_t>(out, warpSize * size / 8);
  for (unsigned lane = 0; lane < warpSize; ++lane)
    std::memcpy(&result[lane], &bytes[lane * size / 8], size / 8);
  return result;
}

std::string Scene::run(Dim3 grid, Dim3 block, int64_t shared, uint64_t seed, std::string_view kernel) {
  if (kernel.empty() && !module->kernels.empty())
    kernel = module->kernels.begin()->first;
  fault = machine.launch(*module, kernel, grid, block, shared, parameters, seed);
  return fault ? fault->text() : "";
}

uint64_t bitsOf(float value) { return std::bit_cast<uint32_t>(value); }
uint64_t bitsOf(double value) { return std::bit_cast<uint64_t>(value); }
float floatOf(uint64_t bits) { return std::bit_cast<float>(uint32_t(bits)); }

} // namespace kv::ptx::test
