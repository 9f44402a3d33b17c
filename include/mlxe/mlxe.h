// Everything public, in one include.
#pragma once

#include "mlxe/convert.h"
#include "mlxe/engine.h"
#include "mlxe/error.h"
#include "mlxe/families.h"
#include "mlxe/hub.h"
#include "mlxe/options.h"
#include "mlxe/output.h"
#include "mlxe/similarity.h"
#include "mlxe/version.h"
