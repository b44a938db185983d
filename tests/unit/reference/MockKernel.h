// Kernels written by hand, one number at a time, that implement kv_abi.h for any cache: they say what the ABI means, and they can be
// wrong on purpose.
#ifndef KV_TESTS_REFERENCE_MOCKKERNEL_H
#define KV_TESTS_REFERENCE_MOCKKERNEL_H

#include "compiler/driver/KernelSpec.h"
#include "kv/kv_abi.h"

#include <string>

namespace kv {

enum class Fault {
  none,
  tokenOfNextPage,   ///< attend: the last slot of a page is read from the next page
  maskIgnored,       ///< attend: the causal mask lets one key too many pass
  wrongScale,        ///< attend: scores 1 % too large
  lostSplit,         ///< merge: leaves out the last partial
  slackRead,         ///< attend: multiplies what lies past the end by 0
  wrongLse,          ///< lse in units of log2
  neighbourMatters,  ///< attend: the result depends on the sequence's place in the batch
  fusedDiffers,      ///< append_attend: other bits than attend
  roundsHalfUp,      ///< append: halves go up, not to even
  pageOffByOne,      ///< append: tokens go to the page after theirs
  scaleNotRounded,   ///< append: codes by the scale before it was rounded to f16
  writesForeignPage, ///< append: touches pages of no sequence
  nanHidden,         ///< append: a NaN is stored as 0
  wrongHead,         ///< attend: query heads are dealt to kv heads round-robin
  ignoresParameter,  ///< attend: slope of head 0 for all
  writesPastRow,     ///< attend: eight channels more than the row has
  lostToken,         ///< attend: one token is left out
  doubledToken,      ///< attend: one token counts twice
  swappedValues,     ///< attend: the values of one token and the next are read in each other's place
  lostThird,         ///< attend: the last third of what a query sees is left out
  zeroedRow,         ///< attend: the last row of a step is 0
  lseOff,            ///< attend: lse of the last head is 1 % too large
  doubledSplit,      ///< merge: the first partial counts twice
};

/// Makes kernels for a module with one cache and at most one attend; descriptors stay valid until the next call. `token` is the one
/// that faults of one token are about.
void mockKernels(const ModuleSpec &module, Fault fault, int64_t splitTokens, int64_t queryBlock, int64_t token = 0);
/// A descriptor by its name; null when there is none.
const kv_kernel *mockKernel(llvm::StringRef name);

} // namespace kv

#endif
