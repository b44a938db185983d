// Needles: sequences in which a handful of keys share almost all of a row's probability, so that one token lost, doubled or swapped
// moves the row by far more than any tolerance.
//
// Keys of needles are rows of a Hadamard matrix, which are orthogonal; needles of one class have the same row, and a query looks
// for one class. All other keys point away from every query. Signs, zeros and powers of two survive every codec and every narrowing
// of queries that kernels do, so that the scores of needles are exact under `fast` too and only the sum over tokens is put to test.
//
// Needles lie where kernels change over: the first and the last token, both sides of the edges of pages, tiles, blocks and splits,
// at random, and all along the tokens of the step, where the mask cuts.
#ifndef KV_TOOLS_KVCC_VERIFYNEEDLES_H
#define KV_TOOLS_KVCC_VERIFYNEEDLES_H

#include "tools/kvcc/VerifyInputs.h"

namespace kv {

/// Fills q and k of a sequence; values are the caller's, and must differ from token to token. `score` may be empty.
void fillNeedles(SequenceData &data, const CacheSpec &cache, const KernelSpec &spec, const ScoreFunction &score, int64_t split,
                 Random &random);

} // namespace kv

#endif
