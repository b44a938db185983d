// Corpus.cpp: see Corpus.h.
#include "Corpus.h"

#include "FloatFormats.h"

#include <fstream>
#include <numeric>
#include <random>
#include <sstream>

namespace kv::ptx::test {
namespace {

std::vector<uint32_t> randomWords(size_t count) {
  std::mt19937 random(uint32_t(count) + 1);
  std::vector<uint32_t> words(count);
  for (uint32_t &word : words)
    word = random();
  return words;
}

struct Launch {
  explicit Launch(const std::string &text) : scene(parsed(text)) {}

  /// Whether it ended well.
  bool run(Dim3 grid, Dim3 block, int64_t shared, uint64_t seed) {
    scene.run(grid, block, shared, seed);
    outcome.statistics = scene.machine.statistics();
    if (scene.fault) {
      outcome.kind = scene.fault->kind;
      outcome.text = scene.fault->text();
    }
    return !scene.fault;
  }
  Scene scene;
  Outcome outcome;
};

Outcome reduce(const std::string &text, uint64_t seed) {
  Launch launch(text);
  const auto words = randomWords(1000);
  launch.scene.pass(launch.scene.buffer(words));
  const uint64_t out = launch.scene.buffer(std::vector<uint32_t>{0});
  launch.scene.pass(out);
  launch.scene.pass(uint32_t(words.size()));
  for (uint32_t times = 1; times <= 2; ++times) {
    if (!launch.run({3}, {128}, 0, seed))
      return launch.outcome;
    launch.outcome.right = launch.scene.read<uint32_t>(out, 1)[0] == times * std::accumulate(words.begin(), words.end(), 0u);
  }
  return launch.outcome;
}

Outcome pipeline(const std::string &text, uint64_t seed) {
  Launch launch(text);
  const uint32_t tiles = 7;
  const auto words = randomWords(tiles * 512);
  launch.scene.pass(launch.scene.buffer(words));
  const uint64_t out = launch.scene.uninitialised(int64_t(words.size()) * 4);
  launch.scene.pass(out);
  launch.scene.pass(tiles);
  for (int times = 0; times < 2; ++times) {
    if (!launch.run({1}, {128}, 3 * 2048, seed))
      return launch.outcome;
    const auto result = launch.scene.read<uint32_t>(out, words.size());
    launch.outcome.right = true;
    for (size_t i = 0; i < words.size(); ++i)
      launch.outcome.right &= result[i] == words[i / 512 * 512 + (i + 4) % 512] + 1;
  }
  return launch.outcome;
}

Outcome gemm(const std::string &text, uint64_t seed) {
  Launch launch(text);
  const uint32_t k = 64;
  std::mt19937 random(3);
  std::vector<double> a(16 * k), b(k * 8);
  std::vector<uint16_t> aBits, bBits;
  for (auto [values, bits] : {std::pair{&a, &aBits}, std::pair{&b, &bBits}})
    for (double &value : *values) {
      value = double(int(random() % 41) - 20) / 8;
      bits->push_back(halfFromDouble(Type::f16, value));
    }
  launch.scene.pass(launch.scene.buffer(aBits));
  launch.scene.pass(launch.scene.buffer(bBits));
  const uint64_t c = launch.scene.uninitialised(16 * 8 * 4);
  launch.scene.pass(c);
  launch.scene.pass(k);
  for (int times = 0; times < 2; ++times) {
    if (!launch.run({1}, {32}, 0, seed))
      return launch.outcome;
    const auto result = launch.scene.read<float>(c, 16 * 8);
    launch.outcome.right = true;
    for (uint32_t row = 0; row < 16; ++row)
      for (uint32_t column = 0; column < 8; ++column) {
        double sum = 0;
        for (uint32_t i = 0; i < k; ++i)
          sum += a[row * k + i] * b[i * 8 + column];
        launch.outcome.right &= double(result[row * 8 + column]) == sum;
      }
  }
  return launch.outcome;
}

Outcome merge(const std::string &text, uint64_t seed) {
  Launch launch(text);
  const uint32_t rows = 37, splits = 9;
  const auto words = randomWords(rows * 64);
  launch.scene.pass(launch.scene.buffer(words));
  launch.scene.pass(launch.scene.uninitialised(splits * 256));
  const uint64_t out = launch.scene.uninitialised(256);
  launch.scene.pass(out);
  launch.scene.pass(launch.scene.buffer(std::vector<uint32_t>{0}));
  launch.scene.pass(rows);
  for (int times = 0; times < 2; ++times) {
    launch.scene.machine.fill(out, 0, 256);
    if (!launch.run({splits}, {64}, 0, seed))
      return launch.outcome;
    const auto result = launch.scene.read<uint32_t>(out, 64);
    launch.outcome.right = true;
    for (uint32_t column = 0; column < 64; ++column) {
      uint32_t sum = 0;
      for (uint32_t row = 0; row < rows; ++row)
        sum += words[row * 64 + column];
      launch.outcome.right &= result[column] == sum;
    }
  }
  return launch.outcome;
}

Outcome bulk(const std::string &text, uint64_t seed) {
  Launch launch(text);
  const uint32_t tiles = 5;
  const auto words = randomWords(tiles * 256);
  launch.scene.pass(launch.scene.buffer(words));
  const uint64_t out = launch.scene.uninitialised(256);
  launch.scene.pass(out);
  launch.scene.pass(tiles);
  for (int times = 0; times < 2; ++times) {
    if (!launch.run({2 - 1}, {64}, 0, seed))
      return launch.outcome;
    const auto result = launch.scene.read<uint32_t>(out, 64);
    launch.outcome.right = true;
    for (uint32_t thread = 0; thread < 64; ++thread) {
      uint32_t sum = 0;
      for (uint32_t tile = 0; tile < tiles; ++tile)
        for (uint32_t i = 0; i < 4; ++i)
          sum += words[tile * 256 + thread * 4 + i];
      launch.outcome.right &= result[thread] == sum;
    }
  }
  return launch.outcome;
}

} // namespace

std::string inputText(const std::string &name) {
  std::ifstream file(std::string(PTX_INPUTS) + "/" + name + ".ptx");
  EXPECT_TRUE(file) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Outcome runCorpus(const std::string &name, const std::string &text, uint64_t seed) {
  const std::pair<const char *, Outcome (*)(const std::string &, uint64_t)> launches[] = {
      {"reduce", reduce}, {"pipeline", pipeline}, {"gemm", gemm}, {"merge", merge}, {"bulk", bulk}};
  for (const auto &[known, run] : launches)
    if (name == known)
      return run(text, seed);
  ADD_FAILURE() << name;
  return {};
}

} // namespace kv::ptx::test
