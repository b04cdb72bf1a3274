package org.elasticsearch.node;

import java.nio.file.Path;
import java.util.Collection;
import java.util.Map;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.plugins.MockPluginsService;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.plugins.PluginsLoader;
import org.elasticsearch.plugins.PluginsService;

/** A node whose modules come from the class path; what that takes is open to this package alone. */
public class ClassPathNode extends Node {
    public ClassPathNode(Settings settings, Path config, Collection<Class<? extends Plugin>> plugins) {
        super(NodeConstruction.prepareConstruction(
            InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), config, () -> "engine"), null, new Plugins(plugins), false));
    }

    private static class Plugins extends NodeServiceProvider {
        private final Collection<Class<? extends Plugin>> plugins;

        Plugins(Collection<Class<? extends Plugin>> plugins) {
            this.plugins = plugins;
        }

        @Override
        PluginsService newPluginService(Environment environment, PluginsLoader loader) {
            return new MockPluginsService(environment.settings(), environment, plugins);
        }
    }
}
