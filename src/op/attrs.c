/* Attributes of ops: defaults and bounds, by the ops' tables. */
#include "op/op.h"

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

void rf_attrs_default(rf_attrs *attrs, const rf_op *op) {
    memset(attrs, 0, sizeof *attrs);
    for (const rf_attr_spec *spec = op->attrs; spec && spec->name; ++spec)
        rf_attr_set(attrs, spec, spec->def, spec->def);
}

static bool within(const rf_attr_spec *spec, double value) { /* false for NaN; a default may lie outside */
    return (value >= spec->min && value <= spec->max) || (!spec->required && value == spec->def);
}

rf_status rf_attrs_check(const rf_attrs *attrs, const rf_op *op) {
    for (const rf_attr_spec *spec = op->attrs; spec && spec->name; ++spec) {
        const void *field = (const char *)attrs + spec->offset;
        double value[2];
        switch (spec->type) {
        case RF_ATTR_INT:
            value[0] = value[1] = *(const int *)field;
            break;
        case RF_ATTR_FLOAT:
            value[0] = value[1] = *(const double *)field;
            break;
        case RF_ATTR_PAIR:
            value[0] = ((const rf_pair *)field)->y;
            value[1] = ((const rf_pair *)field)->x;
            break;
        default:
            continue;
        }
        for (int i = 0; i < 2; ++i)
            if (!within(spec, value[i]))
                return rf_fail(RF_E_INPUT, "%s: %s is %g, and must be from %g to %g", op->name, spec->name,
                               value[i], spec->min, spec->max);
    }
    return RF_OK;
}
