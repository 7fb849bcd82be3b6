/* Attributes of ops: values by name and type, defaults and bounds, by the ops' tables. */
#include "op/op.h"

#include <math.h>
#include <string.h>

void rf_attr_set(rf_attrs *attrs, const rf_attr_spec *spec, double y, double x) {
    void *field = (char *)attrs + spec->offset;
    switch (spec->type) {
    case RF_ATTR_INT:
        *(int *)field = (int)y;
        break;
    case RF_ATTR_BOOL:
        *(bool *)field = y != 0;
        break;
    case RF_ATTR_FLOAT:
        *(double *)field = y;
        break;
    case RF_ATTR_PAIR:
        *(rf_pair *)field = (rf_pair){(int)y, (int)x};
        break;
    }
}

double rf_attr_get(const rf_attrs *attrs, const rf_attr_spec *spec, int part) {
    const void *field = (const char *)attrs + spec->offset;
    switch (spec->type) {
    case RF_ATTR_INT:
        return *(const int *)field;
    case RF_ATTR_BOOL:
        return *(const bool *)field;
    case RF_ATTR_FLOAT:
        return *(const double *)field;
    case RF_ATTR_PAIR:
        return part == 0 ? ((const rf_pair *)field)->y : ((const rf_pair *)field)->x;
    }
    return NAN;
}

void rf_attrs_default(rf_attrs *attrs, const rf_op *op) {
    memset(attrs, 0, sizeof *attrs);
    for (const rf_attr_spec *spec = op->attrs; spec && spec->name; ++spec)
        rf_attr_set(attrs, spec, spec->def, spec->def);
}

static bool within(const rf_attr_spec *spec, double value) { /* false for NaN; a default may lie outside */
    return (value >= spec->min && value <= spec->max) || (!spec->required && value == spec->def);
}

rf_status rf_attrs_check(const rf_attrs *attrs, const rf_op *op) {
    for (const rf_attr_spec *spec = op->attrs; spec && spec->name; ++spec)
        for (int part = 0; part < 2; ++part) {
            const double value = rf_attr_get(attrs, spec, part);
            if (!within(spec, value))
                return rf_fail(RF_E_INPUT, "%s: %s is %g, and must be from %g to %g", op->name, spec->name,
                               value, spec->min, spec->max);
        }
    return RF_OK;
}
