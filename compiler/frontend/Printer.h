// A checked file as text, every default spelled out. Printing what was printed gives the same text.
#ifndef KV_FRONTEND_PRINTER_H
#define KV_FRONTEND_PRINTER_H

#include "compiler/frontend/Spec.h"

#include "llvm/Support/raw_ostream.h"

namespace kv {

/// Expressions stay as written (`group(d:D / 4)`); parameters set by `-p` print their value; comments are not kept.
void printSource(const CheckedFile &file, llvm::raw_ostream &os);

/// An expression with the fewest parentheses.
void printExpr(const Expr &expr, llvm::raw_ostream &os);

} // namespace kv

#endif
