// KernelParser.h: the parts of the parser that a module's directives and a kernel's body share.
#ifndef KV_TESTS_PTX_KERNELPARSER_H
#define KV_TESTS_PTX_KERNELPARSER_H

#include "Decoder.h"

namespace kv::ptx {

/// What follows `.global`, `.shared` ... up to the semicolon; of a parameter up to the comma.
std::unique_ptr<Variable> parseVariable(Lexer &lexer, std::string_view space, bool external);

/// What follows the name of an `.entry`. Fills `kernel`.
void parseKernel(Lexer &lexer, Module &module, Kernel &kernel);

/// Sets where the sides of each branch meet again: its immediate post-dominator.
void findReconvergence(Kernel &kernel);

} // namespace kv::ptx
#endif
