#include "tools/kvcc/Recording.h"

#include "compiler/reference/codecs/Scalar.h"
#include "tools/kvcc/VerifyBatch.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"

#include <fmt/format.h>

#include <cmath>

namespace kv {

static constexpr llvm::StringLiteral magic = "kvcc recording 1\n";
/// In place of a length: the bytes of the step before.
static constexpr uint64_t asBefore = ~uint64_t(0);

bool definesBits(const Runnable &row) {
  if (!row.gpuVariant)
    return true;
  // The entry's own part of the module.
  llvm::StringRef text = row.gpuVariant->ptx;
  const char *const *entries = row.gpuVariant->entries;
  const char *entry = entries[entries[KV_PHASE_ATTEND] ? KV_PHASE_ATTEND : KV_PHASE_APPEND];
  text = text.drop_front(std::min(text.size(), text.find((llvm::Twine(".entry ") + entry + "(").str())));
  text = text.take_front(text.find("\n}"));
  return !llvm::any_of(llvm::ArrayRef<llvm::StringRef>{".approx", ".full.", "mma."},
                       [&](llvm::StringRef open) { return text.contains(open); });
}

//===- the file --------------------------------------------------------------------------------------------------------------===//
// After the magic words, for each step: kernel, target, inputs, pages, o, lse; a text or an array begins with its length in bytes.
// Numbers are 64 bits wide, the low byte first.

llvm::Expected<std::unique_ptr<Recording>> Recording::create(const std::string &file) {
  std::unique_ptr<Recording> recording(new Recording(file));
  auto pending = PendingFile::create(file);
  if (!pending)
    return pending.takeError();
  recording->out = std::move(*pending);
  recording->out->stream() << magic;
  return std::move(recording);
}

llvm::Expected<std::unique_ptr<Recording>> Recording::open(const std::string &file) {
  auto buffer = llvm::MemoryBuffer::getFile(file, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return llvm::createStringError("cannot read `" + file + "`: " + buffer.getError().message());
  std::unique_ptr<Recording> recording(new Recording(file));
  recording->buffer = std::move(*buffer);
  recording->rest = recording->buffer->getBuffer();
  if (!recording->rest.consume_front(magic))
    return llvm::createStringError("`" + file + "` is no recording of this version of kvcc");
  return std::move(recording);
}

std::string Recording::finish() {
  if (buffer)
    return rest.empty() || lost ? "" : fmt::format("`{}` has more steps than there were here", file);
  llvm::Error error = out->commit();
  return error ? llvm::toString(std::move(error)) : "";
}

void Recording::write(const StepRecord &step) {
  auto number = [&](uint64_t value) {
    char bytes[8];
    llvm::support::endian::write64le(bytes, value);
    out->stream().write(bytes, sizeof bytes);
  };
  auto text = [&](llvm::StringRef bytes) {
    number(bytes.size());
    out->stream() << bytes;
  };
  text(step.kernel);
  text(step.target);
  number(step.inputs);
  number(step.pages.size() * sizeof(uint64_t));
  for (uint64_t hash : step.pages)
    number(hash);
  if (!step.o.empty() && step.o == lastO)
    number(asBefore);
  else
    text(lastO = step.o);
  text(step.lse);
}

std::optional<StepRecord> Recording::read() {
  bool good = true;
  auto number = [&]() -> uint64_t {
    good &= rest.size() >= 8;
    if (!good)
      return 0;
    uint64_t value = llvm::support::endian::read64le(rest.data());
    rest = rest.drop_front(8);
    return value;
  };
  auto bytes = [&](uint64_t length) {
    good &= length <= rest.size();
    llvm::StringRef taken = rest.take_front(good ? length : 0);
    rest = rest.drop_front(taken.size());
    return taken.str();
  };
  StepRecord step;
  step.kernel = bytes(number());
  step.target = bytes(number());
  step.inputs = number();
  for (uint64_t left = number() / sizeof(uint64_t); left && good; --left)
    step.pages.push_back(number());
  uint64_t length = number();
  step.o = length == asBefore ? lastO : bytes(length);
  lastO = step.o;
  step.lse = bytes(number());
  return good ? std::optional(std::move(step)) : std::nullopt;
}

//===- comparison ------------------------------------------------------------------------------------------------------------===//

static Element elementOfOutput(const kv_kernel &kernel) { return elementOf(kv_type(kernel.o_type)); }

static double at(llvm::StringRef row, Element type, size_t index) {
  const size_t width = type == Element::f32 ? 4 : 2;
  uint32_t bits = 0;
  std::memcpy(&bits, row.data() + index * width, width);
  return decodeScalar(type, bits);
}

/// The greatest difference of numbers in units of the last place of the greatest of them, or of `least` if that is more.
static double distance(llvm::StringRef here, llvm::StringRef there, Element type, double least) {
  const int digits = type == Element::f32 ? 23 : type == Element::f16 ? 10 : 7, lowest = type == Element::f16 ? -14 : -126;
  double difference = 0, greatest = least;
  for (size_t i = 0; i < here.size() / (type == Element::f32 ? 4 : 2); ++i) {
    const double a = at(here, type, i), b = at(there, type, i);
    if (sameBits(a, b))
      continue;
    if (!std::isfinite(a) || !std::isfinite(b))
      return std::numeric_limits<double>::infinity();
    difference = std::max(difference, std::fabs(a - b));
    greatest = std::max({greatest, std::fabs(a), std::fabs(b)});
  }
  const int exponent = greatest > 0 ? std::max(std::ilogb(greatest), lowest) : lowest;
  return std::ldexp(difference, digits - exponent);
}

std::string Recording::compare(const StepRecord &here, const StepRecord &there, const Runnable &row) {
  auto known = llvm::find_if(kernels, [&](const Compared &k) { return k.kernel == here.kernel && k.target == here.target; });
  if (known == kernels.end())
    known = kernels.insert(kernels.end(), {here.kernel, here.target, 0, definesBits(row)});
  ++known->steps;
  for (size_t page = 0; page < here.pages.size(); ++page)
    if (here.pages[page] != there.pages[page])
      return fmt::format("page {} has other bits than recorded", page);
  const kv_kernel &kernel = *row.kernel;
  const Element type = elementOfOutput(kernel);
  const size_t width = size_t(kernel.dim_v) * (type == Element::f32 ? 4 : 2);
  auto note = [&](double ulp, double &worst, const char *what, size_t index) {
    worst = std::max(worst, ulp);
    if (ulp == 0 || (!known->bitsDefined && std::isfinite(ulp)))
      return std::string();
    return fmt::format("{} of token {}, head {} has other bits than recorded, {:.1f} ulp away", what,
                       index / size_t(kernel.heads_q), index % size_t(kernel.heads_q), ulp);
  };
  for (size_t index = 0; index * width < here.o.size(); ++index) {
    const size_t start = index * width;
    const double ulp =
        distance(llvm::StringRef(here.o).substr(start, width), llvm::StringRef(there.o).substr(start, width), type, 0);
    if (std::string problem = note(ulp, known->ulp, "o", index); !problem.empty())
      return problem;
  }
  for (size_t index = 0; index * 4 < here.lse.size(); ++index) {
    const double ulp =
        distance(llvm::StringRef(here.lse).substr(index * 4, 4), llvm::StringRef(there.lse).substr(index * 4, 4), Element::f32, 1);
    if (std::string problem = note(ulp, known->lseUlp, "lse", index); !problem.empty())
      return problem;
  }
  return {};
}

std::string Recording::add(const StepRecord &step, const Runnable &row) {
  if (out) {
    write(step);
    return {};
  }
  if (lost)
    return {};
  lost = true; // until it is found to be the same step
  if (rest.empty())
    return fmt::format("`{}` has no more steps", file);
  std::optional<StepRecord> recorded = read();
  if (!recorded)
    return fmt::format("`{}` is damaged", file);
  if (recorded->kernel != step.kernel || recorded->target != step.target || recorded->inputs != step.inputs)
    return fmt::format("`{}` is of other steps: next in it is {} on {}, with {} inputs", file, recorded->kernel, recorded->target,
                       recorded->inputs == step.inputs ? "the same" : "other");
  if (recorded->pages.size() != step.pages.size() || recorded->o.size() != step.o.size() || recorded->lse.size() != step.lse.size())
    return fmt::format("`{}` is damaged", file);
  lost = false;
  return compare(step, *recorded, row);
}

} // namespace kv
