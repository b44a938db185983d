// Numbers that a normal draw never hits: the corners of codecs, every code of a codec, and what is not finite.
#ifndef KV_TOOLS_KVCC_VERIFYSPECIALS_H
#define KV_TOOLS_KVCC_VERIFYSPECIALS_H

#include "tools/kvcc/VerifyInputs.h"

namespace kv {

/// Values at the corners of codecs, eight channels at a time: for appends, whose bytes are compared.
void fillCorners(std::vector<float> &values, Random &random);

/// A range of powers of two.
struct Exponents {
  int least, most;
};

/// Rows of `dim` channels that a stream of `codec` keeps without error where `input` does, drawn from all of its codes: with zeros
/// and scales of all magnitudes in `range` that its types hold, or of scalars the numbers of a few neighbouring exponents, subnormal
/// ones among them. A kernel's result shows how it decodes them and nothing else.
void fillCodes(std::vector<float> &values, CodecAttr codec, int64_t dim, Element input, Exponents range, Random &random);

/// Plants NaN, infinities and subnormal numbers: in the keys or values of a token at the edge of a page or of a block or at random,
/// in those of the last token, which earlier queries do not see, and in a query. Says in `data.mayBeNan` which
/// rows have products with an infinity: they may be NaN whatever the interpreter says.
/// `infinities`: none where a score expression may make numbers of the NaN that comes of them.
void plantSpecials(SequenceData &data, const CacheSpec &cache, const KernelSpec &spec, bool infinities, Random &random);

} // namespace kv

#endif
