#include "tools/kvcc-halide/WrittenRegion.h"

#include "tools/kvcc-halide/StoredStream.h"

using namespace Halide;

namespace kv::halide {

WrittenRegion::WrittenRegion(const std::string &name, const Region &region, Expr head, Expr slot)
    : region(region), head(std::move(head)), slot(std::move(slot)), memory(name) {
  if (sharesBytes())
    requireBytes(region);
}

std::vector<size_t> WrittenRegion::axesOfChannels() const {
  std::vector<size_t> found;
  for (size_t i = region.axes.size(); i-- > 0;)
    if (region.axes[i].coordinate == "d")
      found.push_back(i);
  return found;
}

Func WrittenRegion::store(const Func &bits, int64_t count, int64_t lanes) {
  const std::vector<Axis> &axes = region.axes;
  std::vector<size_t> own = axesOfChannels();
  int64_t covered = 1;
  for (size_t i : own)
    covered *= axes[i].extent;
  // Both elements of a byte are the token's, or one is another's and stays.
  bool pairs = sharesBytes() && !own.empty() && own[0] + 1 == axes.size() && covered == count;
  std::vector<Range> ranges = {Range(0, 1)}; // of no digit, so that there is a domain
  for (size_t i : own)
    ranges.push_back(Range(0, int(pairs && i + 1 == axes.size() ? axes[i].extent / 2 : axes[i].extent)));
  RDom z(ranges, "z");

  Expr channel = 0, next = 0; // next: whose element is in the upper half of the byte
  std::vector<Expr> digitOf(axes.size());
  for (size_t k = 0; k < own.size(); ++k) {
    const Axis &axis = axes[own[k]];
    Expr digit = z[int(k) + 1];
    if (pairs && k == 0) {
      channel += 2 * digit * int(axis.divisor);
      next = int(axis.divisor);
    } else {
      channel += digit * int(axis.divisor);
    }
    digitOf[own[k]] = digit;
  }
  std::vector<Var> dims;
  std::vector<Expr> index;
  std::vector<int64_t> steps;
  Expr half;
  for (size_t i = axes.size(); i-- > 0;) {
    dims.push_back(Var("digit" + std::to_string(i)));
    Expr digit = digitOf[i];
    if (axes[i].coordinate != "d") {
      Expr coordinate = axes[i].coordinate == "h" ? head : slot;
      if (axes[i].modulus)
        coordinate = coordinate % int(axes[i].modulus);
      digit = coordinate / int(axes[i].divisor) % int(axes[i].extent);
    }
    if (sharesBytes() && !pairs && i + 1 == axes.size()) {
      half = digit % 2;
      digit = digit / 2;
    }
    Step step = stepOf(std::max<int64_t>(axes[i].stride / (sharesBytes() ? 2 : 1), 1), axes[i].extent);
    steps.push_back(step.stride);
    index.push_back(step.times > 1 ? digit * int(step.times) : digit);
  }
  if (covered != count)
    z.where(channel < int(count));

  memory(dims) = undef(bits.type());
  if (pairs) {
    memory(index) = (bits(channel) & cast<uint8_t>(15)) | (bits(channel + next) << cast<uint8_t>(4));
  } else if (sharesBytes()) {
    Expr shift = cast<uint8_t>(4 * half), hole = ~(cast<uint8_t>(15) << shift);
    memory(index) = (memory(index) & hole) | ((bits(channel) & cast<uint8_t>(15)) << shift);
  } else {
    memory(index) = bits(channel);
  }
  for (size_t i = 0; i < axes.size(); ++i)
    memory.output_buffer().dim(int(i)).set_min(0).set_stride(int(steps[i]));
  bool together = !own.empty() && own[0] + 1 == axes.size() && axes[own[0]].stride == 1 && covered == count;
  if (together && (pairs || !sharesBytes())) {
    int64_t run = axes[own[0]].extent / (pairs ? 2 : 1), width = std::min(lanes, run & -run);
    if (width > 1)
      memory.update().vectorize(z[1], int(width));
  }
  return memory;
}

} // namespace kv::halide
