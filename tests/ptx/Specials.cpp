// Specials.cpp: names of special registers, PTX ISA 10.
#include "Decoder.h"
#include "Warp.h"

namespace kv::ptx {
namespace {

struct Special {
  std::string_view name;
  int row;
  unsigned bits;
};

constexpr Special specials[] = {
    {"%tid.x", Warp::tidX, 32},
    {"%tid.y", Warp::tidY, 32},
    {"%tid.z", Warp::tidZ, 32},
    {"%ntid.x", Warp::ntidX, 32},
    {"%ntid.y", Warp::ntidY, 32},
    {"%ntid.z", Warp::ntidZ, 32},
    {"%ctaid.x", Warp::ctaidX, 32},
    {"%ctaid.y", Warp::ctaidY, 32},
    {"%ctaid.z", Warp::ctaidZ, 32},
    {"%nctaid.x", Warp::nctaidX, 32},
    {"%nctaid.y", Warp::nctaidY, 32},
    {"%nctaid.z", Warp::nctaidZ, 32},
    {"%laneid", Warp::laneId, 32},
    {"%warpid", Warp::warpId, 32},
    {"%nwarpid", Warp::nwarpId, 32},
    {"%smid", Warp::smId, 32},
    {"%nsmid", Warp::nsmId, 32},
    {"%gridid", Warp::gridId, 64},
    {"%lanemask_eq", Warp::maskEq, 32},
    {"%lanemask_le", Warp::maskLe, 32},
    {"%lanemask_lt", Warp::maskLt, 32},
    {"%lanemask_ge", Warp::maskGe, 32},
    {"%lanemask_gt", Warp::maskGt, 32},
    {"%dynamic_smem_size", Warp::dynamicSmem, 32},
    {"%total_smem_size", Warp::totalSmem, 32},
    {"%clock", Warp::specialRows, 32},
    {"%clock64", Warp::specialRows, 64},
    {"%globaltimer", Warp::specialRows, 64},
    {"%globaltimer_lo", Warp::specialRows, 32},
};

} // namespace

int specialRegister(std::string_view name, unsigned &bits) {
  for (const Special &special : specials)
    if (special.name == name) {
      bits = special.bits;
      return special.row;
    }
  return -1;
}

} // namespace kv::ptx
