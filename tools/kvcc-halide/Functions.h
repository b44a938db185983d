// The functions that a plan may ask for, each a file of bitcode.
#ifndef KVCC_HALIDE_FUNCTIONS_H
#define KVCC_HALIDE_FUNCTIONS_H

#include "compiler/halide/Plan.h"

#include <Halide.h>

namespace kv::halide {

/// Throws NotCovered where the plan asks for what this route does not have.
void buildBlock(const Block &plan, const Halide::Target &target, const std::string &file);
void buildRow(const Row &plan, const Halide::Target &target, const std::string &file);

} // namespace kv::halide

#endif
