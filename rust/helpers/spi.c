// SPDX-License-Identifier: GPL-2.0

#include <linux/spi/spi.h>

#if IS_ENABLED(CONFIG_RUST_SPI_MEM_ABSTRACTIONS)

__rust_helper struct spi_controller *rust_helper_spi_alloc_host(struct device *dev,
								unsigned int size)
{
	return spi_alloc_host(dev, size);
}

__rust_helper void rust_helper_spi_controller_put(struct spi_controller *ctlr)
{
	spi_controller_put(ctlr);
}

__rust_helper void *rust_helper_spi_controller_get_devdata(struct spi_controller *ctlr)
{
	return spi_controller_get_devdata(ctlr);
}

__rust_helper void rust_helper_spi_controller_set_devdata(struct spi_controller *ctlr,
							  void *data)
{
	spi_controller_set_devdata(ctlr, data);
}

__rust_helper u8 rust_helper_spi_get_chipselect(const struct spi_device *spi, u8 idx)
{
	return spi_get_chipselect(spi, idx);
}

#endif
