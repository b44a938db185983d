// kvcc-halide: builds the functions of a plan with Halide. kvcc starts it; it is a program of its own because Halide brings an LLVM
// of its own.
//
//   kvcc-halide FOLDER <plan.json      writes FOLDER/NAME.bc for every function; exit 1 and a line on standard error if it cannot
#include "tools/kvcc-halide/Functions.h"
#include "tools/kvcc-halide/StoredStream.h"

#include <cstdlib>
#include <iostream>

namespace {

/// Ends the process where Halide has an error of its own: what it throws gets lost on its way out of the library.
class Report : public Halide::CompileTimeErrorReporter {
  void warning(const char *message) override { std::cerr << message; }
  void error(const char *message) override {
    std::cerr << message;
    std::exit(1);
  }
};

} // namespace

static int run(const std::string &folder) {
  auto plan = nlohmann::json::parse(std::cin).get<kv::halide::Plan>();
  if (plan.version != kv::halide::planVersion) {
    std::cerr << "kvcc and kvcc-halide are of different builds\n";
    return 1;
  }
  static Report report;
  Halide::set_custom_compile_time_error_reporter(&report);
  Halide::Target target(plan.target);
  for (const kv::halide::Block &block : plan.blocks)
    kv::halide::buildBlock(block, target, folder + "/" + block.name + ".bc");
  for (const kv::halide::Row &row : plan.rows)
    kv::halide::buildRow(row, target, folder + "/" + row.name + ".bc");
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    std::cerr << "usage: kvcc-halide FOLDER <plan.json\n";
    return 2;
  }
  try {
    return run(argv[1]);
  } catch (const kv::halide::NotCovered &error) {
    std::cerr << "not covered: " << error.what << '\n';
  } catch (const std::exception &error) { // what is no plan
    std::cerr << error.what() << '\n';
  }
  return 1;
}
