// Random `.kv` files: everything the language accepts today, small enough to verify in about a second.
#ifndef KV_TESTS_ORACLE_SPECGENERATOR_H
#define KV_TESTS_ORACLE_SPECGENERATOR_H

#include <cstdint>
#include <string>

namespace kv {

/// The text of the file of this seed: one cache, one or two attends, perhaps schedules. The same on every machine.
/// Without `hides`, masks hide no tokens before others and schedules have no classes of them, which the Halide route refuses; the
/// rest is the same.
std::string generateSpec(uint64_t seed, bool hides = true);

} // namespace kv

#endif
